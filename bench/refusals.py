"""How fast the function refuses hostile requests, and whether rightly: `python -m bench.refusals 10000 1000`."""

import json
import os
import sys
import time
import zlib
from collections.abc import Iterable

from predict.fetch import Fetcher  # type: ignore[import-not-found]  # the unpacked function
from predict.predictor import Predictor  # type: ignore[import-not-found]
from predict.service import Service  # type: ignore[import-not-found]
from predict.settings import Settings  # type: ignore[import-not-found]

from bench import hostile


class Places:
    """Stands in for name server and network: every name leads somewhere private, every connection is counted."""

    def __init__(self) -> None:
        self.connections = 0

    def resolve(self, host: str, _timeout_seconds: float) -> list[str]:
        return [hostile.NOT_PUBLIC[zlib.crc32(host.encode()) % len(hostile.NOT_PUBLIC)]]

    def connect(self, *_: object) -> object:
        self.connections += 1
        raise ConnectionRefusedError

    def ask(self, *_: object, **__: object) -> object:
        self.connections += 1
        raise ConnectionRefusedError


def refuse(service: Service, requests: Iterable[hostile.Hostile]) -> tuple[float, int]:
    """Requests a second, and how many of them got another status than they must."""
    wanted = list(requests)
    started = time.perf_counter()
    wrong = sum(service.answer(one.event, "r")["statusCode"] not in one.statuses for one in wanted)
    return len(wanted) / (time.perf_counter() - started), wrong


def main() -> None:
    places = Places()
    fetcher = Fetcher(timeout_seconds=8, max_bytes=100_000, resolver=places.resolve, connector=places.connect)
    predictor = Predictor(endpoint=places, fetcher=fetcher)
    written: list[object] = []
    service = Service(settings=Settings.from_environment(os.environ), predictor=predictor, write_log=written.append)
    urls, wrong_urls = refuse(service, (one for _, one in hostile.urls(int(sys.argv[1]))))
    bodies, wrong_bodies = refuse(service, hostile.bodies(int(sys.argv[2])))
    found = {"urls_per_second": urls, "bodies_per_second": bodies, "wrong": wrong_urls + wrong_bodies}
    sys.stdout.write(json.dumps({**found, "connections": places.connections}) + "\n")


if __name__ == "__main__":
    main()
