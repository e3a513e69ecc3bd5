"""A container before or after the classifier in an inference pipeline, as somebody else would write one.

    SAGEMAKER_BIND_TO_PORT=8081 python -m tests.serving.neighbour before

`before` reads pictures that the classifier does not (TIFF) and hands pixels on, `after` reads its answer and keeps a name.
"""

import io
import json
import os
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
from PIL import Image


def pixels(body: bytes, _content_type: str) -> tuple[str, bytes]:
    npy = io.BytesIO()
    with Image.open(io.BytesIO(body)) as image:
        np.save(npy, np.asarray(image.convert("RGB")))
    return "application/x-npy", npy.getvalue()


def name(body: bytes, content_type: str) -> tuple[str, bytes]:
    assert content_type == "application/json"
    return "text/plain", json.loads(body)["predictions"][0]["label"].encode()


ROLES: dict[str, Callable[[bytes, str], tuple[str, bytes]]] = {"before": pixels, "after": name}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer("text/plain", b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(*ROLES[sys.argv[1]](body, self.headers["Content-Type"]))

    def _answer(self, content_type: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
