"""A container of a few lines: /ping and /invocations, and what a test makes it do through its model directory's files.

python container.py --model DIR --port N
"""

import argparse
import http.server
import json
import os
import socket
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--model", type=Path)
parser.add_argument("--port", type=int)
args = parser.parse_args()
behaviour = json.loads((args.model / "behaviour.json").read_text())
if "say" in behaviour:
    print(behaviour["say"], flush=True)
if behaviour.get("exit"):
    sys.exit("this model cannot be loaded")


def reached(host, port):
    """The empty text, or why not."""
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError as error:
        return str(error)
    return ""


class Container(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/execution-parameters":
            parameters = behaviour.get("parameters")
            self.answer(200 if parameters else 404, json.dumps(parameters).encode())
        else:
            self.answer(500 if behaviour.get("unhealthy") else 200, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            wanted = json.loads(body)
        except ValueError:
            wanted = {}
        if wanted.get("die"):
            os._exit(9)
        time.sleep(wanted.get("sleep", behaviour.get("sleep", 0)))
        status = wanted.get("status", behaviour.get("status"))
        if status is not None:
            self.answer(status, b"no such breed")
            return
        seen = {
            "pid": os.getpid(),
            "model": behaviour.get("name"),
            "headers": {key.lower(): value for key, value in self.headers.items()},
            "environment": dict(os.environ) if wanted.get("environment") else os.environ.get("GREETING"),
            "bytes": len(body),
            "reached": {one: reached(*one.rsplit(":", 1)) for one in wanted.get("reach", [])},
        }
        self.answer(200, json.dumps(seen).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header(
            "X-Amzn-SageMaker-Custom-Attributes", self.headers.get("X-Amzn-SageMaker-Custom-Attributes", "")
        )
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", args.port), Container).serve_forever()
