"""Structured logs: one JSON object a line on stdout, facts and numbers only, never a picture's content."""

import datetime
import json
import logging
import sys


class JsonLines(logging.Formatter):
    """`{"time": ..., "level": ..., "event": ..., <facts>}`; facts come as `extra={"facts": {...}}`."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "level": record.levelname.lower(), "event": record.getMessage()}
        line |= getattr(record, "facts", {})
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure() -> None:
    """Send every logger's lines to stdout, and warnings with them: Pillow warns of damaged metadata."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.captureWarnings(True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
