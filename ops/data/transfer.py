"""Pictures on their way into the bucket, many at once, so that an interruption costs next to nothing.

No journal is kept: what is there is known from S3's own SHA-256 of each object, so that a push goes on from another
machine as well. What is under way when a process is killed is sent again, and is never more than a share of the set.
"""

import threading
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from ops.data.budget import Budget
from ops.data.crew import Crew, Task
from ops.data.dataset import Picture
from ops.data.files import Parts, content_of, parts_of
from ops.data.shelf import Shelf
from ops.data.wire import Wire
from ops.errors import OperatorError

MIB = 1024 * 1024
KINDS = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".gif": "image/gif"}
CHECKSUM = "x-amz-checksum-sha256"


@dataclass(frozen=True)
class Pace:
    """How much at once."""

    connections: int = 40
    part_bytes: int = 8 * MIB
    """Larger files go in parts of this size. S3 takes 10,000 of them: 80 GB."""
    under_way: float = 0.009
    """The share of the set's bytes that may be under way, one request aside: below 1 % is sent again after a kill."""


@dataclass(frozen=True)
class Way:
    """Where to, through what, and how much at once."""

    wire: Wire
    shelf: Shelf
    pace: Pace = Pace()


@dataclass
class Sent:
    """What a transfer has come to. `tell` hears of files and bytes that are there now, sent or found."""

    tell: Callable[[int, int], None]
    files: int = 0
    bytes: int = 0
    there: int = 0
    """Pictures that lay there already, whole."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *, files: int = 0, bytes: int = 0, there: int = 0, bytes_there: int = 0) -> None:
        with self._lock:
            self.files, self.bytes, self.there = self.files + files, self.bytes + bytes, self.there + there
        self.tell(files + there, bytes + bytes_there)


class Transfer:
    def __init__(self, way: Way, sent: Sent) -> None:
        self._wire, self._shelf, self._pace, self._sent = way.wire, way.shelf, way.pace, sent
        self._crew = Crew(way.wire.stop)

    def send(self, pictures: list[Picture], doubted: Set[str], uploads: Mapping[str, list[str]]) -> None:
        """Doubted are keys under which something of the right size lies: S3's checksum decides."""
        self._uploads = uploads
        whole = sum(picture.size for picture in pictures)
        self._budget = Budget(int(self._pace.under_way * whole), self._wire.stop)
        for picture in pictures:
            self._crew.add(self._compare(picture, self._put) if picture.key in doubted else self._put(picture))
        self._crew.work(self._pace.connections)

    def missing(self, pictures: list[Picture], doubted: Set[str]) -> list[Picture]:
        """Those that `send` would send; nothing is sent."""
        found = [picture for picture in pictures if picture.key not in doubted]

        def note(picture: Picture) -> Task:
            return lambda: found.append(picture)

        for picture in pictures:
            if picture.key in doubted:
                self._crew.add(self._compare(picture, note))
        self._crew.work(self._pace.connections)
        return found

    def _compare(self, picture: Picture, otherwise: Callable[[Picture], Task]) -> Task:
        def compare() -> None:
            key = self._shelf.key(picture.key)
            found = self._wire.send("HEAD", key, headers={"x-amz-checksum-mode": "ENABLED"}).headers.get(CHECKSUM)
            large = picture.size > self._pace.part_bytes
            if found == (parts_of(picture, self._pace.part_bytes).checksum if large else picture.checksum):
                self._sent.add(there=1, bytes_there=picture.size)
            else:
                self._crew.add(otherwise(picture))

        return compare

    def _put(self, picture: Picture) -> Task:
        def put() -> None:
            if picture.size > self._pace.part_bytes:
                self._begin(picture)
                return
            with self._budget.taken(picture.size):
                content = content_of(picture)
                headers = {CHECKSUM: picture.checksum, "Content-Type": _kind(picture)}
                self._wire.send(
                    "PUT", self._shelf.key(picture.key), body=content, sha256=picture.sha256, headers=headers
                )
            self._sent.add(files=1, bytes=picture.size)

        return put

    def _begin(self, picture: Picture) -> None:
        """A file in parts: those that an upload before this one has brought stay."""
        parts = parts_of(picture, self._pace.part_bytes)
        began = next(iter(self._uploads.get(picture.key, [])), None)
        there = self._shelf.parts(picture.key, began) if began else {}
        kept = {number: tag for number, (tag, sum_) in there.items() if parts.checksums.get(number) == sum_}
        pile = Pile(parts, began or self._shelf.begin(picture.key, _kind(picture)), kept)
        self._sent.add(bytes_there=sum(parts.bytes_of(number) for number in kept))
        left = sorted(parts.checksums.keys() - kept.keys())
        for number in left:
            self._crew.add(self._part(pile, number))
        if not left:
            self._complete(pile)

    def _part(self, pile: "Pile", number: int) -> Task:
        def put() -> None:
            size = pile.parts.bytes_of(number)
            with self._budget.taken(size):
                tag = self._put_part(pile, number)
            self._sent.add(bytes=size)
            if pile.grows(number, tag):
                self._complete(pile)

        return put

    def _put_part(self, pile: "Pile", number: int) -> str:
        parts = pile.parts
        try:
            answer = self._wire.send(
                "PUT",
                self._shelf.key(parts.picture.key),
                query=f"?partNumber={number}&uploadId={pile.upload}",
                body=parts.read(number),
                sha256=parts.hexdigest(number),
                headers={CHECKSUM: parts.checksums[number]},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchUpload":
                raise
            # What a killed push had asked for last may come to pass after this one has looked.
            raise OperatorError(
                f"The upload of {parts.picture.file} has been ended by somebody else: run the same command again, it "
                "goes on."
            ) from None
        return str(answer.headers["ETag"])

    def _complete(self, pile: "Pile") -> None:
        self._shelf.complete(pile.parts.picture.key, pile.upload, pile.tags, pile.parts.checksums)
        self._sent.add(files=1)


@dataclass
class Pile:
    """What has arrived of a file in parts: number of each, and S3's tag for it."""

    parts: Parts
    upload: str
    tags: dict[int, str]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def grows(self, number: int, tag: str) -> bool:
        """Whether this was the last one: one caller alone hears so."""
        with self._lock:
            self.tags[number] = tag
            return len(self.tags) == len(self.parts.digests)


def _kind(picture: Picture) -> str:
    return KINDS[picture.file.suffix.lower()]
