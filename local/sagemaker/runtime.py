"""InvokeEndpoint: the request goes to an instance as it came, the answer comes back as the container gave it."""

import http.client
import json
import re
import time
import uuid
from collections.abc import Mapping
from urllib.parse import unquote

from local.json_service import AwsError, HttpAnswer
from local.records import Scope
from local.sagemaker.capture import Message
from local.sagemaker.endpoints import SERVING, Endpoints
from local.sagemaker.fleet import VariantFleet
from local.sagemaker.instance import Answer
from local.sagemaker.metrics import Invocation
from local.sagemaker.names import log_group
from local.sagemaker.serverless import Throttled

PATH = re.compile(r"/endpoints/([^/]+)/invocations")
ANSWER_SECONDS = 60.0
PREFIX = "x-amzn-sagemaker-"
# What reaches the container of a request's headers; the rest is between the caller and AWS.
PASSED = ("content-type", "accept", f"{PREFIX}custom-attributes", f"{PREFIX}inference-id", f"{PREFIX}target-model")
SERVER_ERROR = 500
OK = range(200, 300)


def endpoint_of(path: str) -> str | None:
    match = PATH.fullmatch(path)
    return unquote(match[1]) if match else None


def invoke(endpoints: Endpoints, scope: Scope, name: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
    """Blocking: runs on a thread of its own."""
    began, seen = time.monotonic(), Invocation()
    answer = _invoke(endpoints, scope, name, headers, body, seen)
    endpoints.metrics.observe(scope, name, seen, time.monotonic() - began)
    return answer


def _invoke(  # noqa: PLR0911, PLR0917 - one return a way to fail
    endpoints: Endpoints, scope: Scope, name: str, headers: Mapping[str, str], body: bytes, seen: Invocation
) -> HttpAnswer:
    text = _not_to_be_asked(endpoints, scope, name)
    if text:
        return refusal("ValidationError", 400, Message=text)
    try:
        fleet = endpoints.routed(scope, name)
    except KeyError:
        return _unavailable(name)
    target = headers.get(f"{PREFIX}target-variant")
    variant = fleet.choose(target)
    if variant is None:
        text = f"Variant {target} is not part of endpoint {name}." if target else f"No variant of {name} takes traffic."
        return refusal("ValidationError", 400, Message=text)
    limit = variant.body_limit_bytes
    if len(body) > limit:
        return refusal("413", 413, Message=f"HTTP content length exceeded {limit} bytes.")
    passed = {key: headers[key] for key in PASSED if key in headers}
    seen.variant, seen.instances = variant.name, len(variant.instances)
    try:
        answer = ask(variant, seen, passed, body)
    except TimeoutError:
        said = (
            "Your invocation timed out while waiting for a response from container primary. Review the latency metrics "
            "for each container in Amazon CloudWatch, resolve the issue, and try again."
        )
        return _model_error(scope, name, 0, said)
    except Throttled as error:
        # It reached no model, whose requests the metrics count.
        seen.variant = None
        return refusal(error.code, error.status, Message=error.message)
    except AwsError:
        return _unavailable(name)
    if answer.status not in OK:
        return _model_error(scope, name, answer.status, answer.body.decode(errors="replace"))
    if len(answer.body) > limit:
        return _model_error(scope, name, SERVER_ERROR, f"The answer is larger than {limit} bytes.")
    given = {key.lower(): value for key, value in answer.headers.items()}
    kind = given.get("content-type", "application/octet-stream")
    capture = endpoints.capture(scope, name)
    if capture is not None:
        sent = Message(headers.get("content-type", ""), body)
        capture.offer(variant.name, sent, Message(kind, answer.body), headers.get(f"{PREFIX}inference-id"))
    result = {"Content-Type": kind, "x-Amzn-Invoked-Production-Variant": variant.name}
    if f"{PREFIX}custom-attributes" in given:
        result["X-Amzn-SageMaker-Custom-Attributes"] = given[f"{PREFIX}custom-attributes"]
    return 200, result, answer.body


def _not_to_be_asked(endpoints: Endpoints, scope: Scope, name: str) -> str | None:
    """Why this endpoint answers nobody now."""
    record, which = (
        endpoints.service.records.get(scope, "Endpoint", name),
        f"Endpoint {name} of account {scope.account}",
    )
    if record is None:
        return f"{which} not found."
    if record["EndpointStatus"] not in SERVING:
        return f"{which} is not in service: it is {record['EndpointStatus']}."
    if record["_deployment"].get("AsyncInferenceConfig"):
        return f"{which} is for asynchronous inference; use InvokeEndpointAsync."
    return None


def ask(
    variant: VariantFleet,
    seen: Invocation,
    headers: Mapping[str, str],
    body: bytes,
    limit_seconds: float = ANSWER_SECONDS,
) -> Answer:
    """An instance that refuses the connection never saw the request, so another one gets it."""
    tried: set[str] = set()
    while True:
        with variant.lease(tried, seen) as instance:
            if instance is None:
                raise AwsError("ServiceUnavailable", "no instance", 503)
            tried.add(instance.name)
            asked = time.monotonic()
            try:
                answer = instance.request("POST", "/invocations", headers, body, limit_seconds)
                seen.status = answer.status
                return answer
            except ConnectionRefusedError:
                continue
            except TimeoutError:
                raise
            except (OSError, http.client.HTTPException) as error:
                # It may have worked on the request already: sending it again is the caller's decision.
                raise AwsError("ServiceUnavailable", str(error), 503) from error
            finally:
                seen.model_seconds = time.monotonic() - asked


def _model_error(scope: Scope, name: str, status: int, said: str) -> HttpAnswer:
    side = "client" if status in range(400, 500) else "server"
    where = log_group(name)
    return refusal(
        "ModelError",
        424,
        ErrorCode="CLIENT_ERROR_FROM_MODEL" if side == "client" else "INTERNAL_FAILURE_FROM_MODEL",
        LogStreamArn=f"arn:aws:logs:{scope.region}:{scope.account}:log-group:{where}",
        Message=model_said(name, status, said),
        OriginalMessage=said,
        OriginalStatusCode=status,
    )


def model_said(name: str, status: int, said: str) -> str:
    side = "client" if status in range(400, 500) else "server"
    return (
        f'Received {side} error ({status}) from primary with message "{said}". See the log {log_group(name)} for more '
        "information."
    )


def _unavailable(name: str) -> HttpAnswer:
    return refusal("ServiceUnavailable", 503, Message=f"No instance of endpoint {name} can answer now; try again.")


def refusal(code: str, status: int, **members: object) -> HttpAnswer:
    headers = {"Content-Type": "application/json", "x-amzn-errortype": code, "x-amzn-requestid": str(uuid.uuid4())}
    return status, headers, json.dumps(members).encode()
