"""Data capture: sampled requests and answers as JSON Lines in S3, put there by the hosting role, off the path.

Key: <prefix>/<endpoint>/<variant>/yyyy/mm/dd/hh/<file>.jsonl
"""

import base64
import datetime
import json
import logging
import queue
import random
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from local.authority import CannotAssume, assume_role
from local.records import Document, Scope
from local.sagemaker.artefact import s3_client
from local.sagemaker.names import SERVICE_PRINCIPAL, arn

WRITE_EVERY_SECONDS = 1.0
# Beyond this many waiting captures new ones are dropped and counted: capture never holds a request back.
WAITING_LIMIT = 1000
CSV_DEFAULT, JSON_DEFAULT = ("text/csv",), ("application/json",)

logger = logging.getLogger("embedded-aws.sagemaker.capture")


@dataclass(frozen=True)
class Message:
    """One direction of one invocation."""

    content_type: str
    body: bytes


class Capture:
    """The captures of one deployment; nothing runs unless its config asks for it."""

    def __init__(self, scope: Scope, endpoint: str, deployment: Document, gateway: Mapping[str, str]) -> None:
        self._scope, self._endpoint, self._gateway = scope, endpoint, gateway
        self._config: Document = deployment.get("DataCaptureConfig") or {}
        self._roles = {one["VariantName"]: one["Model"]["ExecutionRoleArn"] for one in deployment["Variants"]}
        self._modes = {option["CaptureMode"] for option in self._config.get("CaptureOptions", [])}
        self._waiting: queue.Queue[tuple[str, Document] | None] = queue.Queue(WAITING_LIMIT)
        self._thread: threading.Thread | None = None
        if self._config.get("EnableCapture"):
            self._thread = threading.Thread(target=self._write, daemon=True, name=f"capture-{endpoint}")
            self._thread.start()

    def offer(self, variant: str, request: Message, response: Message, inference_id: str | None) -> None:
        """Take this invocation if it is sampled; never waits."""
        if self._thread is None or random.uniform(0, 100) >= self._config["InitialSamplingPercentage"]:  # noqa: S311
            return
        directions = {"Input": ("endpointInput", "INPUT", request), "Output": ("endpointOutput", "OUTPUT", response)}
        wanted = {"Input", "Output"} if "InputAndOutput" in self._modes else self._modes
        data = {directions[one][0]: self._entry(*directions[one][1:]) for one in sorted(wanted & set(directions))}
        metadata = {"eventId": str(uuid.uuid4()), "inferenceTime": _utc().strftime("%Y-%m-%dT%H:%M:%SZ")}
        if inference_id:
            metadata["inferenceId"] = inference_id
        record = {"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}
        try:
            self._waiting.put_nowait((variant, record))
        except queue.Full:
            logger.warning("Endpoint %s: a capture was dropped, %d wait to be written.", self._endpoint, WAITING_LIMIT)

    def stop(self) -> None:
        """What was offered is written first."""
        if self._thread is not None and self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join()

    def _entry(self, mode: str, message: Message) -> Document:
        kind = message.content_type.split(";")[0].strip().lower()
        types = self._config.get("CaptureContentTypeHeader", {})
        encoding, data = "BASE64", base64.b64encode(message.body).decode()
        for name, key, default in (
            ("CSV", "CsvContentTypes", CSV_DEFAULT),
            ("JSON", "JsonContentTypes", JSON_DEFAULT),
        ):
            if kind in types.get(key, default):
                try:
                    encoding, data = name, message.body.decode()
                except UnicodeDecodeError:
                    break
        return {"observedContentType": message.content_type, "mode": mode, "data": data, "encoding": encoding}

    def _write(self) -> None:
        """One file a variant and round, as long as the endpoint lives."""
        ended = False
        while not ended:
            first = self._waiting.get()
            ended = first is None
            batch = [first] if first else []
            until = time.monotonic() + WRITE_EVERY_SECONDS
            while not ended:
                try:
                    item = self._waiting.get(timeout=max(until - time.monotonic(), 0))
                except queue.Empty:
                    break
                ended = item is None
                batch += [item] if item else []
            for variant in dict.fromkeys(variant for variant, _ in batch):
                self._put(variant, [record for name, record in batch if name == variant])

    def _put(self, variant: str, records: list[Document]) -> None:
        destination = urlsplit(self._config["DestinationS3Uri"])
        moment = _utc()
        prefix = destination.path.strip("/")
        folder = f"{self._endpoint}/{variant}/{moment:%Y/%m/%d/%H}"
        name = f"{moment:%M-%S}-{moment.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
        encryption = {}
        if self._config.get("KmsKeyId"):
            encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self._config["KmsKeyId"]}
        try:
            source = arn(self._scope, "Endpoint", self._endpoint)
            credentials = assume_role(self._scope, self._roles[variant], SERVICE_PRINCIPAL, "SageMaker", source)
            s3_client(credentials, self._gateway).put_object(
                Bucket=destination.netloc,
                Key="/".join(part for part in (prefix, folder, name) if part),
                Body="".join(json.dumps(record) + "\n" for record in records).encode(),
                ContentType="application/jsonl",
                **encryption,
            )
        except (CannotAssume, BotoCoreError, ClientError) as error:
            logger.warning("Endpoint %s: %d captures could not be written: %s", self._endpoint, len(records), error)


def _utc() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
