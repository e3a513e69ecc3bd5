"""InvokeEndpointAsync: requests wait in a queue; inputs come from S3 and results go there as the hosting role.

What waits or is worked on outlives a restart and is then done again. Nothing is lost while there is no instance.
"""

import datetime
import json
import logging
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from local import joints_cloudwatch
from local.authority import CannotAssume, Credentials, assume_role
from local.clock import Clock
from local.json_service import AwsError, HttpAnswer
from local.records import Document, Scope
from local.sagemaker.artefact import s3_client
from local.sagemaker.capture import Message
from local.sagemaker.endpoints import SERVING, Endpoints
from local.sagemaker.instance import Answer
from local.sagemaker.metrics import MINUTE, NAMESPACE, Invocation
from local.sagemaker.names import SERVICE_PRINCIPAL, arn
from local.sagemaker.role_client import role_client
from local.sagemaker.runtime import OK, PREFIX, ask, model_said, refusal

PATH = re.compile(r"/endpoints/([^/]+)/async-invocations")
KIND = "AsyncRequest"
# What SageMaker takes where a request or a config does not say.
TTL_SECONDS, ANSWER_SECONDS, AT_ONCE = 21_600, 900, 4
LOOK_EVERY_SECONDS = 0.1
WORKERS = 64
INPUT_LIMIT_BYTES = 1024**3
# What reaches the container, by the header that the caller gives it in.
PASSED = {
    f"{PREFIX}content-type": "content-type",
    f"{PREFIX}accept": "accept",
    f"{PREFIX}custom-attributes": f"{PREFIX}custom-attributes",
}

logger = logging.getLogger("embedded-aws.sagemaker.async")


class Failed(Exception):
    """Why a request has no result, in the words that the failure's object and notification carry."""


def queue_of(path: str) -> str | None:
    """The endpoint that a request's path wants to leave something with."""
    match = PATH.fullmatch(path)
    return unquote(match[1]) if match else None


@dataclass
class Queues:
    """The waiting requests of every asynchronous endpoint, and the thread that hands them out."""

    endpoints: Endpoints
    clock: Clock
    _running: Counter[tuple[str, str]] = field(default_factory=Counter)
    _taken: set[str] = field(default_factory=set)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _closed: bool = False
    _minute: int | None = None

    def __post_init__(self) -> None:
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="async-inference")

    # --- the API -------------------------------------------------------------------------------------------------

    def accept(self, scope: Scope, name: str, headers: Mapping[str, str]) -> HttpAnswer:
        endpoint = self.endpoints.service.records.get(scope, "Endpoint", name)
        if endpoint is None or endpoint["EndpointStatus"] not in SERVING:
            return refusal("ValidationError", 400, Message=f"Endpoint {name} of account {scope.account} not found.")
        config = endpoint["_deployment"].get("AsyncInferenceConfig")
        if not config:
            return refusal("ValidationError", 400, Message=f"Endpoint {name} is not configured for async inference.")
        given = headers.get(f"{PREFIX}inputlocation", "")
        if urlsplit(given).scheme != "s3":
            return refusal("ValidationError", 400, Message="InputLocation must be an S3 URI: s3://BUCKET/KEY.")
        identity = headers.get(f"{PREFIX}inference-id") or str(uuid.uuid4())
        output, file = config["OutputConfig"], str(uuid.uuid4())
        locations = {
            "OutputLocation": _below(output.get("S3OutputPath"), f"{file}.out"),
            "FailureLocation": _below(output.get("S3FailurePath"), f"{file}-error.out"),
        }
        document = {
            "Endpoint": name,
            "InferenceId": identity,
            "InputLocation": given,
            "Headers": {to: headers[key] for key, to in PASSED.items() if key in headers},
            "Received": time.time(),
            "TTL": int(headers.get(f"{PREFIX}requestttlseconds", TTL_SECONDS)),
            "Timeout": int(headers.get(f"{PREFIX}invocationtimeoutseconds", ANSWER_SECONDS)),
            **locations,
        }
        self.endpoints.service.records.put(scope, KIND, file, document)
        with self._changed:
            self._changed.notify_all()
        found = {f"X-Amzn-SageMaker-{key}": value for key, value in locations.items() if value}
        answer = json.dumps({"InferenceId": identity}).encode()
        return 202, {"Content-Type": "application/json", **found}, answer

    # --- handing out ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        threading.Thread(target=self._hand_out, daemon=True, name="async-queues").start()

    def stop(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _waiting(self) -> list[tuple[Scope, str, Document]]:
        found = [one for one in self.endpoints.service.records.everywhere(KIND) if one[1] not in self._taken]
        return sorted(found, key=lambda one: one[2]["Received"])

    def _hand_out(self) -> None:
        while not self._closed:
            waiting = self._waiting()
            with self._changed:
                if self._closed:
                    return
                if not waiting:
                    self._changed.wait(1.0)
                    continue
            for scope, file, request in waiting:
                self._offer(scope, file, request)
            time.sleep(LOOK_EVERY_SECONDS)

    def _offer(self, scope: Scope, file: str, request: Document) -> None:
        """To a worker, if an instance has room for it."""
        key = (scope.key, request["Endpoint"])
        endpoint = self.endpoints.service.records.get(scope, "Endpoint", request["Endpoint"])
        if endpoint is None:
            # What waited for an endpoint goes with it.
            self.endpoints.service.records.remove(scope, KIND, file)
            return
        config = endpoint["_deployment"].get("AsyncInferenceConfig") or {}
        at_once = config.get("ClientConfig", {}).get("MaxConcurrentInvocationsPerInstance", AT_ONCE)
        expired = time.time() - request["Received"] > request["TTL"]
        with self._changed:
            if not expired and self._running[key] >= at_once * self._instances(scope, request["Endpoint"]):
                return
            self._running[key] += 1
            self._taken.add(file)
        self._workers.submit(self._work, scope, file, request, endpoint["_deployment"], expired)

    def _instances(self, scope: Scope, name: str) -> int:
        """For now: who asks holds up the queue or the event loop, on which launches depend, so it waits for nothing."""
        fleet = self.endpoints.running(scope, name)
        return sum(1 for _ in fleet.instances()) if fleet else 0

    def _work(self, scope: Scope, file: str, request: Document, deployment: Document, expired: bool) -> None:
        try:
            OneRequest(self.endpoints, scope, request, deployment).run(expired)
        except Exception:
            logger.exception("Endpoint %s: an error of the embedded AWS itself", request["Endpoint"])
        finally:
            if not self.endpoints.launcher.launches.closed:
                self.endpoints.service.records.remove(scope, KIND, file)
            with self._changed:
                self._taken.discard(file)
                self._running[scope.key, request["Endpoint"]] -= 1
                self._changed.notify_all()

    # --- what scaling goes by ------------------------------------------------------------------------------------

    def publish(self) -> None:
        """Once a minute, for each asynchronous endpoint: how much waits or is worked on."""
        minute = int(self.clock.now() // MINUTE)
        if minute == self._minute:
            return
        self._minute = minute
        backlog = Counter(
            (scope.key, one["Endpoint"]) for scope, _, one in self.endpoints.service.records.everywhere(KIND)
        )
        for scope, name, endpoint in self.endpoints.service.records.everywhere("Endpoint"):
            if not endpoint["_deployment"].get("AsyncInferenceConfig") or endpoint["EndpointStatus"] not in SERVING:
                continue
            if self.endpoints.running(scope, name) is None:
                # After a restart its instances are on their way: no lack of capacity that scaling should answer.
                continue
            size, instances = backlog[scope.key, name], self._instances(scope, name)
            said = {
                "ApproximateBacklogSize": size,
                "ApproximateBacklogSizePerInstance": size / max(instances, 1),
                "HasBacklogWithoutCapacity": float(size > 0 and instances == 0),
            }
            for metric, value in said.items():
                at = (minute - 1) * MINUTE
                joints_cloudwatch.publish(
                    scope, NAMESPACE, metric, "None", {"EndpointName": name}, at, Counter({float(value): 1})
                )


@dataclass(frozen=True)
class OneRequest:
    """Input, model, output or failure, notification."""

    endpoints: Endpoints
    scope: Scope
    request: Document
    deployment: Document

    def run(self, expired: bool) -> None:
        name, output = self.request["Endpoint"], self.deployment["AsyncInferenceConfig"]["OutputConfig"]
        topics = output.get("NotificationConfig", {})
        try:
            credentials = self._credentials()
        except CannotAssume as error:
            logger.warning("Endpoint %s: a request is lost, its role cannot be assumed: %s", name, error)
            return
        try:
            if expired:
                raise Failed(f"The request expired after {self.request['TTL']} s in the queue.")
            answer = self._answer(self._read(credentials))
            self._write(credentials, self.request["OutputLocation"], answer.body, _content_type(answer))
        except Failed as error:
            self._fail(credentials, topics.get("ErrorTopic"), str(error))
        else:
            self._tell(credentials, topics.get("SuccessTopic"), "Completed", _content_type(answer))

    def _credentials(self) -> Credentials:
        role = self.deployment["Variants"][0]["Model"]["ExecutionRoleArn"]
        source = arn(self.scope, "Endpoint", self.request["Endpoint"])
        return assume_role(self.scope, role, SERVICE_PRINCIPAL, "SageMaker", source)

    def _read(self, credentials: Credentials) -> bytes:
        place = urlsplit(self.request["InputLocation"])
        try:
            found = s3_client(credentials, self.endpoints.launcher.gateway).get_object(
                Bucket=place.netloc, Key=place.path.lstrip("/")
            )
            if found["ContentLength"] > INPUT_LIMIT_BYTES:
                raise Failed(f"The input is larger than {INPUT_LIMIT_BYTES} bytes.")
            return bytes(found["Body"].read())
        except (BotoCoreError, ClientError) as error:
            raise Failed(f"The input at {self.request['InputLocation']} could not be read: {error}") from error

    def _answer(self, body: bytes) -> Answer:
        name, seen, began = self.request["Endpoint"], Invocation(), time.monotonic()
        try:
            fleet = self.endpoints.routed(self.scope, name)
            variant = fleet.choose(None)
            if variant is None:
                raise Failed(f"No variant of {name} takes traffic.")
            seen.variant, seen.instances = variant.name, len(variant.instances)
            headers = {**self.request["Headers"], f"{PREFIX}inference-id": self.request["InferenceId"]}
            answer = ask(variant, seen, headers, body, float(self.request["Timeout"]))
        except TimeoutError as error:
            raise Failed(f"The model took longer than {self.request['Timeout']} s.") from error
        except (AwsError, KeyError) as error:
            raise Failed(f"No instance of endpoint {name} could answer: {error}") from error
        finally:
            seen.model_seconds = time.monotonic() - began
            self.endpoints.metrics.observe(self.scope, name, seen, seen.model_seconds)
        if answer.status not in OK:
            raise Failed(model_said(name, answer.status, answer.body.decode(errors="replace")))
        capture = self.endpoints.capture(self.scope, name)
        if capture is not None:
            sent = Message(self.request["Headers"].get("content-type", ""), body)
            got = Message(_content_type(answer), answer.body)
            capture.offer(variant.name, sent, got, self.request["InferenceId"])
        return answer

    def _write(self, credentials: Credentials, location: str | None, body: bytes, kind: str) -> None:
        if location is None:
            return
        key = self.deployment["AsyncInferenceConfig"]["OutputConfig"].get("KmsKeyId")
        encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}
        place = urlsplit(location)
        try:
            s3_client(credentials, self.endpoints.launcher.gateway).put_object(
                Bucket=place.netloc, Key=place.path.lstrip("/"), Body=body, ContentType=kind, **encryption
            )
        except (BotoCoreError, ClientError) as error:
            raise Failed(f"The result could not be written to {location}: {error}") from error

    def _fail(self, credentials: Credentials, topic: str | None, reason: str) -> None:
        logger.warning(
            "Endpoint %s: request %s failed: %s", self.request["Endpoint"], self.request["InferenceId"], reason
        )
        try:
            self._write(credentials, self.request["FailureLocation"], reason.encode(), "text/plain")
        except Failed as error:
            logger.warning("Endpoint %s: %s", self.request["Endpoint"], error)
        self._tell(credentials, topic, "Failed", "text/plain", failureReason=reason)

    def _tell(self, credentials: Credentials, topic: str | None, status: str, kind: str, **more: Any) -> None:  # noqa: ANN401 - members of the message
        if topic is None:
            return
        place = "OutputLocation" if status == "Completed" else "FailureLocation"
        message = {
            "awsRegion": self.scope.region,
            "eventTime": _utc(time.time()),
            "receivedTime": _utc(self.request["Received"]),
            "invocationStatus": status,
            "requestParameters": {
                "contentType": self.request["Headers"].get("content-type", ""),
                "endpointName": self.request["Endpoint"],
                "inputLocation": self.request["InputLocation"],
            },
            "responseParameters": {
                "contentType": kind,
                f"{place[0].lower()}{place[1:]}": self.request[place],
            },
            "inferenceId": self.request["InferenceId"],
            "eventVersion": "1.0",
            "eventSource": "aws:sagemaker",
            "eventName": "InferenceResult",
            **more,
        }
        try:
            client = role_client("sns", credentials, self.endpoints.launcher.gateway, read_seconds=5)
            client.publish(TopicArn=topic, Message=json.dumps(message))
        except (BotoCoreError, ClientError) as error:
            logger.warning("Endpoint %s: %s could not be told: %s", self.request["Endpoint"], topic, error)


def _below(path: str | None, file: str) -> str | None:
    return f"{path.rstrip('/')}/{file}" if path else None


def _content_type(answer: Answer) -> str:
    given = {key.lower(): value for key, value in answer.headers.items()}
    return given.get("content-type", "application/octet-stream")


def _utc(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
