"""Images that wait for an asynchronous endpoint: left in the bucket, asked for later by an id that nobody can guess.

async/input/<id> holds the image; async/tickets/<id> says where SageMaker will put what the model answers.
"""

import json
import re
import secrets

from .endpoint import Asking, Classification, Wish, ask, read_answer, refusal_from_model
from .objects import Objects
from .refusals import Refusal

INPUT, TICKETS = "async/input", "async/tickets"
RESULTS = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<key>async/(?:output|failure)/.+)")
ID_BYTES = 24
ID = re.compile(r"[A-Za-z0-9_-]{32}")
_MODEL_STATUS = re.compile(r"\((\d{3})\)")
CALLS = 3  # the image, the endpoint and the ticket, one after the other within the function's time


class Waiting:
    """One asynchronous endpoint and the bucket through which it is spoken to."""

    def __init__(self, objects: Objects, runtime: Asking, *, endpoint_name: str, bucket: str) -> None:
        self._objects = objects
        self._runtime = runtime
        self._path = f"/endpoints/{endpoint_name}/async-invocations"
        self._bucket = bucket

    def submit(self, image: bytes, content_type: str, wish: Wish) -> str:
        """Returns the id under which the result is found."""
        result_id = secrets.token_urlsafe(ID_BYTES)
        key = f"{INPUT}/{result_id}"
        self._objects.put(key, image, content_type)
        headers = {
            "X-Amzn-SageMaker-InputLocation": f"s3://{self._bucket}/{key}",
            "X-Amzn-SageMaker-Inference-Id": result_id,
            "X-Amzn-SageMaker-Content-Type": content_type,
            "X-Amzn-SageMaker-Accept": "application/json",
            "X-Amzn-SageMaker-Custom-Attributes": wish.attributes,
        }
        accepted = ask(self._runtime, self._path, headers, b"").headers
        ticket = [
            self._own_key(accepted.get(f"x-amzn-sagemaker-{name}")) for name in ("outputlocation", "failurelocation")
        ]
        self._objects.put(f"{TICKETS}/{result_id}", json.dumps(ticket).encode(), "application/json")
        return result_id

    def result(self, result_id: str) -> Classification | None:
        """What the model found, or None while it has not; Refusal where it failed or nobody ever asked."""
        unknown = Refusal("not_found", "There is no result under this id, or no longer; predict again.")
        if not ID.fullmatch(result_id):
            raise unknown
        ticket = self._objects.get(f"{TICKETS}/{result_id}")
        if ticket is None:
            raise unknown
        output, failure = json.loads(ticket)
        found = self._objects.get(output) if output else None
        if found is not None:
            return read_answer(found, "")
        failed = self._objects.get(failure) if failure else None
        if failed is not None:
            raise _failure(failed.decode(errors="replace"))
        return None

    def _own_key(self, location: object) -> str | None:
        """A key in our bucket, below the prefixes that this function may read; nothing else is ever asked for."""
        match = RESULTS.fullmatch(str(location))
        return match["key"] if match and match["bucket"] == self._bucket else None


def _failure(text: str) -> Refusal:
    """What the model said against the image, where SageMaker's words hold it; its status stands in brackets."""
    status = _MODEL_STATUS.search(text)
    begin, end = text.find("{"), text.rfind("}")
    return refusal_from_model(int(status[1]) if status else None, text[begin : end + 1] if begin >= 0 else "")
