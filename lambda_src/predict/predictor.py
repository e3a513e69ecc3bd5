"""From an image, wherever it is, to what the model says of it; several are asked for side by side."""

from typing import Any

from .clock import milliseconds
from .endpoint import Classification, Endpoint, Wish
from .fetch import Fetcher
from .images import check_image
from .links import parse_link
from .payload import Source
from .refusals import Refusal
from .uploads import Uploads
from .waiting import Waiting

Record = dict[str, Any]
# What the model says; the id under which it will; or why it cannot.
Found = Classification | str | Refusal


class Predictor:
    """`uploads` and `waiting` are there where the stage file wants uploads and the endpoint is asynchronous."""

    def __init__(
        self, *, endpoint: Endpoint, fetcher: Fetcher, uploads: Uploads | None = None, waiting: Waiting | None = None
    ) -> None:
        self._endpoint = endpoint
        self._fetcher = fetcher
        self._uploads = uploads
        self._waiting = waiting

    def predict(self, source: Source, wish: Wish, record: Record) -> Classification | str:
        """What the model says, or the id under which it will; notes sizes and times in the record."""
        image = self._image(source, record)
        record["image_bytes"] = len(image)
        content_type = check_image(image)
        record["image_type"] = content_type
        with milliseconds(record, "invoke_ms"):
            if self._waiting:
                return self._waiting.submit(image, content_type, wish)
            found = self._endpoint.classify(image, content_type, wish)
        record |= {"variant": found.variant, "model_version": found.model_version}
        if found.model_ms:
            record["model_ms"] = found.model_ms
        return found

    def predict_all(self, sources: tuple[Source, ...], wish: Wish, record: Record) -> list[Found]:
        """Of each image what is said of it alone; Refusal for all where it is about the service."""
        # Here because its import would slow the start of a function that is mostly asked for one image.
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

        records: list[Record] = [{} for _ in sources]

        def one(position: int) -> Found:
            try:
                return self.predict(sources[position], wish, records[position])
            except Refusal as refusal:
                if not refusal.is_about_the_image:
                    raise
                return refusal

        try:
            with ThreadPoolExecutor(len(sources)) as threads:
                return list(threads.map(one, range(len(sources))))
        finally:
            record |= {"images": len(sources), **_together(records)}

    def _image(self, source: Source, record: Record) -> bytes:
        if source.image is not None:
            return source.image
        if source.key is not None:
            if self._uploads is None:
                raise Refusal("bad_request", "This service takes no uploads; send the image itself or its URL.")
            with milliseconds(record, "fetch_ms"):
                return self._uploads.read(source.key)
        link = parse_link(source.url or "")
        record["url_host"] = link.host
        with milliseconds(record, "fetch_ms"):
            return self._fetcher.fetch(link)


def _together(records: list[Record]) -> Record:
    """Bytes added up; of the times the longest, since they passed side by side."""
    whole: Record = {"image_bytes": sum(record.get("image_bytes", 0) for record in records)}
    for name in ("fetch_ms", "invoke_ms"):
        taken = [record[name] for record in records if name in record]
        if taken:
            whole[name] = max(taken)
    return whole
