"""Where this package reaches into MiniStack; those in BESIDE, a file a service, are the only other places.

MiniStack is pinned; `check` compares the names and signatures used here with what is installed, and a test calls it, so
that an upgrade that moves one of them fails by name instead of somewhere downstream.
"""

import contextlib
import functools
import importlib
import importlib.metadata
import inspect
import json
import logging
import secrets
import subprocess
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PINNED_VERSION = "1.5.33"
SIGNATURES: dict[str, tuple[str, ...]] = {
    "app:_enforce_execute_api": ("api_id", "stage", "method", "execute_path", "headers", "query_params", "iam_action"),
    "app:_handle_execute_api_request": (
        "host",
        "path",
        "method",
        "headers",
        "body",
        "query_params",
        "raw_path",
        "raw_query_string",
    ),
    "app:_execute_api_authorization_type": ("api_id", "stage", "method", "execute_path"),
    "app:_build_persistence_save_dict": (),
    "app:fix_success_content_type": ("service", "status", "headers"),
    "app:app": ("scope", "receive", "send"),
    "core.iam_actions:extract_iam_action": ("service", "method", "path", "headers", "body", "query_params"),
    "core.iam_actions:extract_resource_arn": (
        "service",
        "method",
        "path",
        "headers",
        "body",
        "query_params",
        "region",
        "account_id",
    ),
    "core.iam_actions:access_denied_response": (
        "service",
        "action",
        "principal_arn",
        "request_id",
        "error_code",
        "message",
        "headers",
        "resource_arn",
        "explicit_deny",
        "resource_policy_arn",
    ),
    "core.iam_actions:request_tag_context": ("service", "iam_action", "body", "params"),
    "core.iam_actions:identity_denial_message": ("action", "principal_arn", "resource", "explicit_deny"),
    "core.iam_evaluator:enforce": (
        "access_key_id",
        "iam_action",
        "service",
        "region",
        "resource_arn",
        "service_context",
    ),
    "core.iam_evaluator:check_credentials": ("access_key_id", "service"),
    "core.iam_evaluator:resolve_principal": ("access_key_id", "account_id", "credential"),
    "core.iam_evaluator:_is_root_key": ("access_key_id",),
    "core.iam_evaluator:evaluate_resource_policy": ("doc", "ctx", "service", "named_only", "direct_only"),
    "core.lambda_runtime:execution_credentials": ("config",),
    "core.persistence:save_all": ("services",),
    "core.responses:request_scope": ("account_id", "region"),
    "core.router:extract_access_key_id": ("headers", "query_params"),
    "core.router:extract_region": ("headers", "query_params"),
    "services.apigateway:_extract_lambda_ref_from_integration_uri": ("uri",),
    "services.apigateway:_invoke_http_proxy": ("integration", "path", "method", "headers", "body", "query_params"),
    "services.apigateway:_cors_response_headers": ("cors_cfg", "origin"),
    "services.apigateway:_cors_preflight_response": ("cors_cfg", "origin"),
    "services.apigateway:_validate_jwt_authorizer": ("route", "authorizer", "headers", "query_params"),
    "services.apigateway:_match_route": ("api_id", "method", "path"),
    "services.apigateway:find_api_scope": ("api_id",),
    "services.apigateway:new_uuid": (),
    "services.cloudwatch_logs:_create_log_stream": ("data",),
    "services.cloudwatch_logs:_put_log_events": ("data",),
    "services.budgets:_create_budget": ("data",),
    "services.budgets:_delete_budget": ("data",),
    "services.iam:_now": (),
    "services.kms:_resolve_key": ("key_id_or_arn",),
    "services.eventbridge:_invoke_target": ("target", "event", "rule", "view"),
    "services.eventbridge:_dispatch_to_lambda": ("arn", "payload"),
    "services.lambda_svc:_get_func_record_for_ref": ("function_ref",),
    "services.lambda_svc:_invoke": ("name", "event", "headers", "path_qualifier", "query_params"),
    "services.lambda_svc:_execute_function": ("func", "event"),
    "services.lambda_svc:_emit_lambda_metrics": ("function_name", "duration_ms", "error", "throttle"),
    "services.lambda_svc:_execution_record_for_config": ("func", "config"),
    "services.lambda_svc:invoke_async_with_retry": ("func", "event"),
    "services.lambda_svc:_route_async_failure": ("target_arn", "func_name", "event", "result"),
    "services.tagging:resource_tags": ("arn",),
    "services.sts:_error": ("status", "code", "message", "ns"),
    "services.sts:_web_identity_trust_denied": ("role_arn", "params", "use_json"),
    "services.lambda_svc:_reserved_concurrency": ("func", "config"),
    "services.s3:_bucket_default_sse_headers": ("bucket_name",),
    "services.s3:_stored_sse_headers": ("obj",),
    "services.s3:_resolve_sse_write_headers": ("headers", "bucket_name"),
    "services.s3:_s3_event_to_eventbridge": ("event_name",),
    "services.lambda_svc:_execute_function_with_config_scope": ("func", "event"),
    "services.sts:register_session": ("access_key", "session"),
}
ATTRIBUTES: tuple[str, ...] = (
    "app:SERVICE_HANDLERS",
    "app:SERVICE_REGISTRY",
    "app:_loaded_modules",
    "app:_state_map",
    "core.iam_actions:SERVICE_TO_IAM_NAMESPACE",
    "core.iam_evaluator:_anonymous",
    "core.iam_evaluator:_request_origin",
    "core.iam_evaluator:AuthError",
    "core.iam_evaluator:EvalContext",
    "core.lambda_runtime:subprocess",
    "core.router:SERVICE_PATTERNS",
    "services.apigateway:_invoke_lambda_proxy",
    "services.apigateway:_HOST",
    "services.apigateway:_apis",
    "services.apigateway:_stages",
    "services.cloudwatch:_alarms",
    "services.cloudwatch:_composite_alarms",
    "services.cloudwatch_logs:_log_groups",
    "services.iam:_oidc_providers",
    "services.iam:_roles",
    "services.kms:_grants",
    "services.kms:_keys",
    "services.lambda_svc:_functions",
    "services.sns:_topics",
    "services.s3:_buckets",
)

# The other modules that reach into MiniStack, each with its own SIGNATURES and ATTRIBUTES.
BESIDE = (
    "joints_cloudformation",
    "joints_cloudtrail",
    "joints_cloudwatch",
    "joints_ec2",
    "joints_events",
    "joints_lambda",
    "joints_s3",
    "joints_sns",
)

Handler = Callable[[str, str, dict[str, str], bytes, dict[str, Any]], Awaitable[tuple[int, dict[str, str], bytes]]]


class MovedJoint(RuntimeError):
    """The installed MiniStack is not the one that this package was fitted to."""


def check() -> None:
    """Raise with every difference at once."""
    installed = importlib.metadata.version("ministack")
    faults = [] if installed == PINNED_VERSION else [f"version {installed} is installed, {PINNED_VERSION} was fitted"]
    beside = [importlib.import_module(f"local.{name}") for name in BESIDE]
    signatures, attributes = dict(SIGNATURES), list(ATTRIBUTES)
    for module in beside:
        signatures |= module.SIGNATURES
        attributes += module.ATTRIBUTES
    for where, expected in signatures.items():
        found = getattr(*_place(where), None)
        actual = tuple(inspect.signature(found).parameters) if callable(found) else None
        if actual != expected:
            faults.append(f"{where} takes {actual}, expected {expected}")
    faults += [f"{where} is gone" for where in attributes if not hasattr(*_place(where))]
    if faults:
        raise MovedJoint("MiniStack moved: " + "; ".join(faults))


def _place(where: str) -> tuple[Any, str]:
    module, name = where.split(":")
    return importlib.import_module(f"ministack.{module}"), name


def _module(name: str) -> Any:  # noqa: ANN401 - MiniStack is untyped
    return importlib.import_module(f"ministack.{name}")


def wrap(where: str, wrapper: Callable[..., Any]) -> None:
    """Replace a function of MiniStack's by `wrapper(original, ...)`."""
    module, name = _place(where)
    original = getattr(module, name)
    setattr(module, name, functools.wraps(original)(functools.partial(wrapper, original)))


# --- serving -----------------------------------------------------------------------------------------------------


def asgi() -> Any:  # noqa: ANN401 - an ASGI application
    return _module("app").app


def add_service(name: str, target_prefix: str, handler: Handler, state: Any) -> None:  # noqa: ANN401 - duck-typed
    """Route a service's requests to `handler`, and keep `state` with MiniStack's own through stop, start and reset."""
    _module("app").SERVICE_HANDLERS[name] = handler
    _module("core.router").SERVICE_PATTERNS[name] = {"target_prefixes": [target_prefix]}
    add_state(name, state)


def add_operations(name: str, targets: Iterable[str], handler: Handler, state: Any) -> None:  # noqa: ANN401
    """Route some operations of a service that MiniStack has to `handler`: the first pattern that fits counts."""
    _module("app").SERVICE_HANDLERS[name] = handler
    patterns = _module("core.router").SERVICE_PATTERNS
    others = dict(patterns)
    patterns.clear()
    patterns.update({name: {"target_prefixes": list(targets)}, **others})
    add_state(name, state)


def add_state(name: str, state: Any) -> None:  # noqa: ANN401 - duck-typed
    app = _module("app")
    app.SERVICE_REGISTRY[name] = {"module": name}
    app._loaded_modules[name] = state
    app._state_map[name] = name


def wrap_handler(service: str, wrapper: Callable[..., Awaitable[Any]]) -> None:
    """Put `wrapper(original, method, path, headers, body, query)` in front of one of MiniStack's services."""
    handlers = _module("app").SERVICE_HANDLERS
    handlers[service] = functools.partial(wrapper, handlers[service])


def save_state() -> list[str]:
    """What could not be saved: MiniStack says so in its log and goes on. What was saved of it before stays."""
    failed = _Errors()
    persistence = logging.getLogger("persistence")
    persistence.addHandler(failed)
    try:
        _module("core.persistence").save_all(_module("app")._build_persistence_save_dict())
    finally:
        persistence.removeHandler(failed)
    return failed.said


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def access_key(headers: Mapping[str, str], query: Mapping[str, Any]) -> str:
    return str(_module("core.router").extract_access_key_id(headers, query))


def region(headers: Mapping[str, str], query: Mapping[str, Any]) -> str:
    return str(_module("core.router").extract_region(headers, query))


def service_of(method: str, path: str, headers: Mapping[str, str], query: Mapping[str, Any]) -> str:
    """Where the gateway sends a request."""
    return str(_module("core.router").detect_service(method, path, headers, query))


def account() -> str:
    return str(_module("core.responses").get_account_id())


def current_region() -> str:
    return str(_module("core.responses").get_region())


def scope(account_id: str, region_name: str) -> Any:  # noqa: ANN401 - a context manager
    return _module("core.responses").request_scope(account_id, region_name)


# --- IAM ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Denial:
    """Why a call is refused: an authentication failure has a code of its own, a policy's refusal has none."""

    message: str
    code: str = "AccessDeniedException"


def denial(
    key: str, action: str, resource: str, region_name: str, context: Mapping[str, Any] | None = None
) -> Denial | None:
    """What MiniStack's evaluator says about one action on one resource by the owner of an access key."""
    evaluator, actions = _module("core.iam_evaluator"), _module("core.iam_actions")
    service = action.split(":", 1)[0]
    found = evaluator.enforce(key, action, service, region_name, resource_arn=resource, service_context=context or {})
    if found is None:
        return None
    if isinstance(found, evaluator.AuthError):
        return Denial(found.message, found.code)
    return Denial(
        actions.identity_denial_message(action, found.principal_arn, resource, found.decision == "Deny"),
    )


def policy_refusal(  # noqa: PLR0917 - one question
    policy: Any,  # noqa: ANN401 - a document as dict or text
    key: str,
    action: str,
    region_name: str,
    resource: str,
    context: Mapping[str, Any],
) -> Any:  # noqa: ANN401 - MiniStack's result
    """What a policy that names principals says against the owner of a key; None where it allows the action."""
    evaluator = _module("core.iam_evaluator")
    principal = evaluator.resolve_principal(key, account())
    ctx = evaluator.EvalContext(
        principal_arn=principal.arn,
        principal_type=principal.type,
        principal_account=principal.account,
        action=action,
        resource_arn=resource,
        region=region_name,
        service_context={name.lower(): value for name, value in context.items()},
        principal_keys=principal.keys,
    )
    found = evaluator.evaluate_resource_policy(policy, ctx)
    found.principal_arn = principal.arn
    return None if found.decision == "Allow" else found


@contextlib.contextmanager
def coming_from(address: str | None) -> Iterator[None]:
    """Have aws:SourceIp be that address, or be absent (None); "" leaves it as it is."""
    origin = _module("core.iam_evaluator")._request_origin
    before, secure = origin.get()
    token = origin.set((before if address == "" else address, secure))
    try:
        yield
    finally:
        origin.reset(token)


def iam_namespace(service: str) -> str:
    """What its actions begin with."""
    return str(_module("core.iam_actions").SERVICE_TO_IAM_NAMESPACE.get(service, service))


def is_anonymous() -> bool:
    return bool(_module("core.iam_evaluator")._anonymous.get())


def auth_error(code: str, message: str) -> Any:  # noqa: ANN401 - MiniStack's
    """A refusal with a code of its own."""
    return _module("core.iam_evaluator").AuthError(code, message)


def missing_token() -> Any:  # noqa: ANN401 - MiniStack's AuthError
    return auth_error("MissingAuthenticationToken", "Request is missing Authentication Token")


def denial_message(action: str, principal: str, resource: str, explicit: bool) -> str:
    return str(_module("core.iam_actions").identity_denial_message(action, principal, resource, explicit))


def role(account_id: str, role_arn: str) -> dict[str, Any] | None:
    found = _module("services.iam")._roles.get_scoped(account_id, None, role_arn.rsplit("/", 1)[-1])
    return found if found and found.get("Arn") == role_arn else None


def longest_session(account_id: str, role_name: str) -> int:
    """In seconds, of a role: its MaxSessionDuration."""
    found = _module("services.iam")._roles.get_scoped(account_id, None, role_name) or {}
    return int(found.get("MaxSessionDuration", 3600))


def service_may(  # noqa: PLR0917 - one question
    policy: Any,  # noqa: ANN401 - a document as dict or text
    principal: str,
    action: str,
    resource: str,
    region_name: str,
    context: Mapping[str, Any],
) -> bool:
    """Whether a resource's own policy lets an AWS service act: a role's trust policy, a function's permissions."""
    evaluator = _module("core.iam_evaluator")
    ctx = evaluator.EvalContext(
        principal_arn=principal,
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=resource,
        region=region_name,
        # Services call each other over TLS, whatever the request under way came by.
        secure_transport=True,
        service_context={key.lower(): value for key, value in context.items()},
    )
    return bool(evaluator.evaluate_resource_policy(policy, ctx, service=principal).decision == "Allow")


def open_session(account_id: str, role_arn: str, session_name: str, ends: float | None = None) -> tuple[str, str, str]:
    """New temporary credentials of a role. Whether the caller may assume it is for the caller to have asked."""
    key, secret, token = f"ASIA{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30), secrets.token_urlsafe(60)
    role_name = role_arn.rsplit("/", 1)[-1]
    _module("services.sts").register_session(
        key,
        {
            "Arn": f"arn:aws:sts::{account_id}:assumed-role/{role_name}/{session_name}",
            "UserId": f"{role_name}:{session_name}",
            "SecretAccessKey": secret,
            "SessionToken": token,
            **({"Expiration": ends} if ends is not None else {}),
        },
    )
    return key, secret, token


# --- what the IAM rules of other services look at --------------------------------------------------------------------


def object_encryption_key(bucket: str, key: str) -> str | None:
    """The KMS key of a stored object, or None where it has none."""
    s3 = _module("services.s3")
    record = (s3._buckets.get(bucket) or {}).get("objects", {}).get(key)
    return s3._stored_sse_headers(record).get("x-amz-server-side-encryption-aws-kms-key-id") if record else None


def bucket_encryption_key(bucket: str) -> str | None:
    """The KMS key by which a bucket encrypts what comes without one of its own."""
    found = _module("services.s3")._bucket_default_sse_headers(bucket)
    return found.get("x-amz-server-side-encryption-aws-kms-key-id")


def kms_grants(key_arn: str) -> Iterable[dict[str, Any]]:
    return [grant for grant in _module("services.kms")._grants.values() if grant.get("KeyId") == key_arn]


def kms_key_arn(account_id: str, region_name: str, key: str) -> str | None:
    """Of the key that an ARN, an id or an alias of this account names, in whichever account and region it is."""
    if key.startswith("arn:"):
        region_name, account_id = key.split(":")[3:5]
    with scope(account_id, region_name):
        found = _module("services.kms")._resolve_key(key)
    return str(found["Arn"]) if found else None


def kms_key_policy(key_arn: str) -> str:
    _, _, _, region_name, account_id, resource = key_arn.split(":", 5)
    found = _module("services.kms")._keys.get_scoped(account_id, region_name, resource.removeprefix("key/")) or {}
    return str(found.get("Policy") or "")


def unusable_key(key_arn: str) -> Any:  # noqa: ANN401 - MiniStack's AuthError
    """What S3 passes on of KMS for a key that is disabled or to be deleted; None for one in use, or none of KMS's."""
    _, _, _, region_name, account_id, resource = key_arn.split(":", 5)
    found = _module("services.kms")._keys.get_scoped(account_id, region_name, resource.removeprefix("key/")) or {}
    said = {
        "Disabled": ("KMS.DisabledException", "is disabled."),
        "PendingDeletion": ("KMS.KMSInvalidStateException", "is pending deletion."),
    }.get(found.get("KeyState", ""))
    return auth_error(said[0], f"{key_arn} {said[1]}") if said else None


def function_policy(name: str) -> dict[str, Any] | None:
    record = _module("services.lambda_svc")._functions.get(name)
    return record["policy"] if record else None


def function_role(name: str) -> str | None:
    record = _module("services.lambda_svc")._functions.get(name)
    return record["config"].get("Role") if record else None


def function_arn(name: str) -> str:
    record = _module("services.lambda_svc")._functions.get(name)
    return str(record["config"]["FunctionArn"]) if record else ""


def invoke_later(function_arn_: str, payload: str) -> bool:
    """As an asynchronous invocation, with its tries and its dead letters; False where there is no such function."""
    service = _module("services.lambda_svc")
    function, config, _ = service._get_func_record_for_ref(function_arn_)
    if not function or not config:
        return False
    service.invoke_async_with_retry(service._execution_record_for_config(function, config), json.loads(payload))
    return True


def api_authorization(api_id: str, stage: str, method: str, path: str) -> str | None:
    found = _module("app")._execute_api_authorization_type(api_id, stage, method, path)
    return str(found) if found else None


@dataclass(frozen=True)
class HttpApi:
    """Where a request to an HTTP API arrived, and the access log that its stage asks for ("" for none)."""

    account: str
    region: str
    api_id: str
    stage: str
    route_key: str
    domain: str
    log_group_arn: str
    log_format: str


def http_api(api_id: str, stage: str, method: str, path: str) -> HttpApi | None:
    """None for another kind of API, or none at all."""
    gateway = _module("services.apigateway")
    owner = gateway.find_api_scope(api_id)
    if owner is None:
        return None
    with scope(*owner):
        if (gateway._apis.get(api_id) or {}).get("protocolType") != "HTTP":
            return None
        settings = api_stage(api_id, stage).get("accessLogSettings") or {}
        route = gateway._match_route(api_id, method, "/" + path.lstrip("/")) or {}
    return HttpApi(
        account=owner[0],
        region=owner[1],
        api_id=api_id,
        stage=stage,
        route_key=route.get("routeKey", ""),
        domain=f"{api_id}.execute-api.{gateway._HOST}",
        log_group_arn=settings.get("destinationArn") or "",
        log_format=settings.get("format") or "",
    )


def write_log(group_arn: str, stream: str, events: list[dict[str, Any]]) -> str | None:
    """What an AWS service writes by itself, on the server's loop. The answer is why it could not."""
    parts = group_arn.removesuffix(":*").split(":", 6)
    if len(parts) != 7 or parts[2] != "logs" or parts[5] != "log-group":  # noqa: PLR2004 - an ARN's parts
        return "this is no log group"
    region_name, account_id, group = parts[3], parts[4], parts[6]
    logs, named = _module("services.cloudwatch_logs"), {"logGroupName": group, "logStreamName": stream}
    with scope(account_id, region_name):
        if stream not in (logs._log_groups.get(group) or {}).get("streams", {}):
            logs._create_log_stream(named)
        status, _, body = logs._put_log_events({**named, "logEvents": events})
    return None if status == 200 else bytes(body).decode()  # noqa: PLR2004 - HTTP's OK


def replace_lambda_processes(start: Callable[..., Any]) -> None:
    """Have every function's process started by `start(command, **options of Popen)`."""
    runtime = _module("core.lambda_runtime")

    class Processes:
        Popen = staticmethod(start)

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the module's own attributes
            return getattr(subprocess, name)

    runtime.subprocess = Processes()


def lambda_of_integration(integration: Mapping[str, Any]) -> str:
    uri = integration.get("integrationUri", "")
    return str(_module("services.apigateway")._extract_lambda_ref_from_integration_uri(uri))


def reserved_concurrency(function: str) -> int | None:
    record = _module("services.lambda_svc")._functions.get(function) or {}
    return record.get("concurrency")


def api_stage(api_id: str, stage: str) -> dict[str, Any]:
    return dict((_module("services.apigateway")._stages.get(api_id) or {}).get(stage) or {})


@dataclass(frozen=True)
class Alarm:
    arn: str
    state: str


def alarm(account_id: str, region_name: str, name: str) -> Alarm | None:
    """A metric or composite alarm."""
    cloudwatch = _module("services.cloudwatch")
    with scope(account_id, region_name):
        found = cloudwatch._alarms.get(name) or cloudwatch._composite_alarms.get(name)
    return Alarm(str(found["AlarmArn"]), str(found["StateValue"])) if found else None


# --- topics, Budgets and identity providers ------------------------------------------------------------------


def topic_policy(topic_arn: str) -> str | None:
    """None where there is no such topic."""
    topic = _module("services.sns")._topics.get(topic_arn)
    return str(topic["attributes"]["Policy"]) if topic else None


def budgets(operation: str, params: Mapping[str, Any]) -> tuple[int, bytes]:
    """One of MiniStack's Budgets calls."""
    names = {"CreateBudget": "_create_budget", "DeleteBudget": "_delete_budget"}
    status, _, body = getattr(_module("services.budgets"), names[operation])(dict(params))
    return int(status), body if isinstance(body, bytes) else str(body).encode()


def identity_provider(account_id: str, arn: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = _module("services.iam")._oidc_providers.get_scoped(account_id, None, arn)
    return found


def sts_error(status: int, code: str, message: str) -> Any:  # noqa: ANN401 - MiniStack's answer
    return _module("services.sts")._error(status, code, message, ns="sts")


def iso_now() -> str:
    return str(_module("services.iam")._now())


def identity_providers() -> Any:  # noqa: ANN401 - MiniStack's table, by ARN, of the account at work
    return _module("services.iam")._oidc_providers
