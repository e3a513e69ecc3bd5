"""Every place where this package reaches into MiniStack, but for those in BESIDE. Nothing else imports it.

MiniStack is pinned; `check` compares the names and signatures used here with what is installed, and a test calls it, so
that an upgrade that moves one of them fails by name instead of somewhere downstream.
"""

import functools
import importlib
import importlib.metadata
import inspect
import json
import secrets
import subprocess
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

PINNED_VERSION = "1.5.33"
SIGNATURES: dict[str, tuple[str, ...]] = {
    "app:_enforce_execute_api": (
        "api_id",
        "stage",
        "method",
        "execute_path",
        "headers",
        "query_params",
        "iam_action",
    ),
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
    "core.iam_evaluator:resolve_caller_identity": ("access_key_id",),
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
    "services.ec2:_ensure_defaults_initialized": (),
    "services.iam:_now": (),
    "services.eventbridge:_invoke_target": ("target", "event", "rule", "view"),
    "services.eventbridge:_dispatch_to_lambda": ("arn", "payload"),
    "services.lambda_svc:_get_func_record_for_ref": ("function_ref",),
    "services.lambda_svc:_execution_record_for_config": ("func", "config"),
    "services.lambda_svc:invoke_async_with_retry": ("func", "event"),
    "services.lambda_svc:_route_async_failure": ("target_arn", "func_name", "event", "result"),
    "services.tagging:resource_tags": ("arn",),
    "services.sts:_error": ("status", "code", "message", "ns"),
    "services.sts:_web_identity_trust_denied": ("role_arn", "params", "use_json"),
    "services.ec2:_resolve_launch_template_data": ("spec",),
    "services.iam:_lookup_instance_profile": ("name", "arn"),
    "services.ssm:_select_parameter": ("name_or_arn",),
    "services.lambda_svc:_reserved_concurrency": ("func", "config"),
    "services.s3:_bucket_default_sse_headers": ("bucket_name",),
    "services.s3:_stored_sse_headers": ("obj",),
    "services.s3:_resolve_sse_write_headers": ("headers", "bucket_name"),
    "services.s3:_put_bucket_encryption": ("name", "body"),
    "services.s3:_put_bucket_lifecycle": ("name", "body"),
    "services.s3:_put_bucket_logging": ("name", "body"),
    "services.s3:_put_bucket_ownership_controls": ("name", "body"),
    "services.s3:_bucket_owner_account": ("name",),
    "services.s3:bucket_region": ("name",),
    "services.s3:_s3_event_to_eventbridge": ("event_name",),
    "services.s3:_record_delete_marker": ("bucket_name", "key", "prior_obj"),
    "services.s3:_purge_current_object": ("bucket_name", "key", "bucket"),
    "services.s3:_delete_object_version": ("bucket", "bucket_name", "key", "version_id"),
    "services.s3:_persist_version_state": ("bucket_name", "key", "bucket"),
    "services.s3:_check_object_lock": ("bucket_name", "key", "headers", "version_id"),
    "services.s3:_canonical_owner_id": ("account_id",),
    "services.s3:_put_object": ("bucket_name", "key", "body", "headers"),
    "services.s3:_fire_s3_event_async": (
        "bucket_name",
        "key",
        "event_name",
        "size",
        "etag",
        "deletion_type",
        "version_id",
        "object_extra",
        "record_extra",
    ),
    "app:_extract_s3_vhost_bucket": ("host",),
    "core.router:detect_service": ("method", "path", "headers", "query_params"),
    "services.cloudformation.custom_resource:deliver_response": ("token", "response"),
    "services.lambda_svc:_execute_function_with_config_scope": ("func", "event"),
    "services.sts:register_session": ("access_key", "session"),
    "services.cloudformation.provisioners:_physical_name": (
        "stack_name",
        "logical_id",
        "lowercase",
        "max_len",
        "seeded",
    ),
    "services.cloudformation.engine:_evaluate_conditions": ("template", "params"),
    "services.cloudformation.stacks:_runs_on_worker_thread": ("resource_type",),
}
ATTRIBUTES = (
    "app:SERVICE_HANDLERS",
    "app:SERVICE_REGISTRY",
    "app:_loaded_modules",
    "app:_state_map",
    "core.iam_actions:SERVICE_TO_IAM_NAMESPACE",
    "core.iam_evaluator:_anonymous",
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
    "services.ec2:_ACTION_MAP",
    "services.ec2:_tags",
    "services.ec2:_instances",
    "services.ec2:_volumes",
    "services.ssm:_PUBLIC_AMI_PARAMETERS",
    "services.cloudformation.custom_resource:_pending",
    "services.cloudformation:_stacks",
    "services.cloudformation.provisioners:_CUSTOM_NAME_REPLACEMENT",
    "services.cloudformation.provisioners:_REPLACING_PROPERTIES",
    "services.cloudformation.provisioners:_RESOURCE_HANDLERS",
    "services.cloudformation.provisioners:_S3_BUCKET_CONFIGURATIONS",
    "services.cloudformation.provisioners:_STACK_TAG_PROPERTY",
    "services.iam:_oidc_providers",
    "services.iam:_roles",
    "services.kms:_grants",
    "services.kms:_keys",
    "services.lambda_svc:_functions",
    "services.sns:_topics",
    "services.s3:_bucket_lifecycle",
    "services.s3:_bucket_logging_config",
    "services.s3:_bucket_policies",
    "services.s3:_bucket_versioning",
    "services.s3:_buckets",
    "services.s3:_multipart_uploads",
    "services.s3:_object_tags",
    "services.s3:_object_versions",
)

# The other modules that reach into MiniStack, each with its own SIGNATURES and ATTRIBUTES.
BESIDE = ("joints_cloudwatch", "joints_events", "joints_lambda")

CONDITION_USERS = ("engine", "stacks", "handlers", "changesets")

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


def add_state(name: str, state: Any) -> None:  # noqa: ANN401 - duck-typed
    app = _module("app")
    app.SERVICE_REGISTRY[name] = {"module": name}
    app._loaded_modules[name] = state
    app._state_map[name] = name


def wrap_handler(service: str, wrapper: Callable[..., Awaitable[Any]]) -> None:
    """Put `wrapper(original, method, path, headers, body, query)` in front of one of MiniStack's services."""
    handlers = _module("app").SERVICE_HANDLERS
    handlers[service] = functools.partial(wrapper, handlers[service])


def save_state() -> None:
    _module("core.persistence").save_all(_module("app")._build_persistence_save_dict())


def access_key(headers: Mapping[str, str], query: Mapping[str, Any]) -> str:
    return str(_module("core.router").extract_access_key_id(headers, query))


def region(headers: Mapping[str, str], query: Mapping[str, Any]) -> str:
    return str(_module("core.router").extract_region(headers, query))


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


def is_anonymous() -> bool:
    return bool(_module("core.iam_evaluator")._anonymous.get())


def missing_token() -> Any:  # noqa: ANN401 - MiniStack's AuthError
    return _module("core.iam_evaluator").AuthError(
        "MissingAuthenticationToken", "Request is missing Authentication Token"
    )


def denial_message(action: str, principal: str, resource: str, explicit: bool) -> str:
    return str(_module("core.iam_actions").identity_denial_message(action, principal, resource, explicit))


def role(account_id: str, role_arn: str) -> dict[str, Any] | None:
    found = _module("services.iam")._roles.get_scoped(account_id, None, role_arn.rsplit("/", 1)[-1])
    return found if found and found.get("Arn") == role_arn else None


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


def open_session(account_id: str, role_arn: str, session_name: str) -> tuple[str, str, str]:
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


def unusable_key(key_arn: str) -> Any:  # noqa: ANN401 - MiniStack's AuthError
    """What S3 passes on of KMS for a key that is disabled or to be deleted; None for one in use, or none of KMS's."""
    _, _, _, region_name, account_id, resource = key_arn.split(":", 5)
    kms, evaluator = _module("services.kms"), _module("core.iam_evaluator")
    found = kms._keys.get_scoped(account_id, region_name, resource.removeprefix("key/")) or {}
    said = {
        "Disabled": ("KMS.DisabledException", "is disabled."),
        "PendingDeletion": ("KMS.KMSInvalidStateException", "is pending deletion."),
    }.get(found.get("KeyState", ""))
    return evaluator.AuthError(said[0], f"{key_arn} {said[1]}") if said else None


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


# --- S3's own doings: lifecycle rules and access logs ----------------------------------------------------------------


@dataclass(frozen=True)
class LifecycleBucket:
    """A bucket that has rules, as MiniStack keeps them."""

    account: str
    region: str
    name: str
    rules: tuple[Mapping[str, Any], ...]


def lifecycle_buckets() -> list[LifecycleBucket]:
    """Of every account. Rules that MiniStack could not read are kept there as text, and count for nothing."""
    s3 = _module("services.s3")
    return [
        LifecycleBucket(account_id, _bucket_region(account_id, name), name, tuple(rules))
        for (account_id, name), rules in list(s3._bucket_lifecycle._data.items())
        if isinstance(rules, list) and s3._buckets.contains_scoped(account_id, None, name)
    ]


def _bucket_region(account_id: str, name: str) -> str:
    s3 = _module("services.s3")
    with scope(account_id, current_region()):
        return str(s3.bucket_region(name))


def stored_keys(place: LifecycleBucket) -> list[str]:
    """Every key with an object, a version or a delete marker."""
    s3 = _module("services.s3")
    with scope(place.account, place.region):
        objects = (s3._buckets.get(place.name) or {}).get("objects", {})
        histories = (key for bucket, key in list(s3._object_versions) if bucket == place.name)
        return list(dict.fromkeys((*objects, *histories)))


def versions_of(place: LifecycleBucket, key: str) -> list[dict[str, Any]]:
    """Oldest first."""
    s3 = _module("services.s3")
    with scope(place.account, place.region):
        current = (s3._buckets.get(place.name) or {}).get("objects", {}).get(key)
        kept = s3._object_versions.get((place.name, key)) or []
        found = kept or ([{**current, "version_id": None}] if current else [])
        return [
            {
                "version_id": one["version_id"] or "null",
                "last_modified": one["last_modified"],
                "size": one["size"],
                "marker": bool(one.get("is_delete_marker")),
                "tags": s3._object_tags.get((place.name, key, _subresource(one["version_id"]))) or {},
                "storage_class": one.get("storage_class") or "STANDARD",
            }
            for one in found
        ]


def _subresource(version_id: str | None) -> str | None:
    """MiniStack keeps what belongs to the null version under no id."""
    return None if version_id == "null" else version_id


def expire_object(place: LifecycleBucket, key: str) -> None:
    """A delete marker on a bucket with versions, the end of the object on one without."""
    s3 = _module("services.s3")
    with scope(place.account, place.region):
        bucket = s3._buckets[place.name]
        if s3._bucket_versioning.get(place.name) in ("Enabled", "Suspended"):
            marker = s3._record_delete_marker(place.name, key, bucket["objects"].get(key))
            bucket["objects"].pop(key, None)
            event, more = "DeleteMarkerCreated", {"deletion_type": "Delete Marker Created", "version_id": marker}
        else:
            s3._purge_current_object(place.name, key, bucket)
            event, more = "Delete", {}
        s3._fire_s3_event_async(place.name, key, f"s3:LifecycleExpiration:{event}", **more)


def remove_version(place: LifecycleBucket, key: str, version_id: str) -> None:
    """Unless a lock holds it."""
    s3 = _module("services.s3")
    with scope(place.account, place.region):
        if s3._check_object_lock(place.name, key, {}, _subresource(version_id)) is None:
            s3._delete_object_version(s3._buckets[place.name], place.name, key, version_id)
            s3._fire_s3_event_async(place.name, key, "s3:LifecycleExpiration:Delete", version_id=version_id)


def change_storage_class(place: LifecycleBucket, key: str, version_id: str, storage_class: str) -> None:
    """Of one version; MiniStack keeps the current one a second time, as the object itself."""
    s3 = _module("services.s3")
    with scope(place.account, place.region):
        bucket, kept = s3._buckets[place.name], s3._object_versions.get((place.name, key)) or []
        for one in kept:
            if (one["version_id"] or "null") == version_id:
                one["storage_class"] = storage_class
        current = bucket["objects"].get(key)
        if current is not None and (current.get("version_id") or "null") == version_id:
            current["storage_class"] = storage_class
        s3._persist_version_state(place.name, key, bucket)
        s3._fire_s3_event_async(place.name, key, "s3:LifecycleTransition", version_id=_subresource(version_id))


def unfinished_uploads(place: LifecycleBucket) -> list[tuple[str, str, str]]:
    """(upload id, key, when it began)."""
    with scope(place.account, place.region):
        uploads = _module("services.s3")._multipart_uploads
        return [(name, one["key"], one["created"]) for name, one in uploads.items() if one["bucket"] == place.name]


def abort_upload(place: LifecycleBucket, upload: str) -> None:
    with scope(place.account, place.region):
        _module("services.s3")._multipart_uploads.pop(upload, None)


@dataclass(frozen=True)
class LoggedBucket:
    """A bucket with a logging configuration, which is kept as the XML it came in."""

    account: str
    region: str
    name: str
    configuration: str


def logged_bucket(host: str, path: str) -> LoggedBucket | None:
    """The bucket that a request is for, if it has its requests logged."""
    s3 = _module("services.s3")
    if not s3._bucket_logging_config._data:
        return None
    name = _module("app")._extract_s3_vhost_bucket(host) or path.lstrip("/").split("/", 1)[0]
    owner = s3._bucket_owner_account(name)
    found = s3._bucket_logging_config.get_scoped(owner, None, name) if owner else None
    return LoggedBucket(owner, _bucket_region(owner, name), name, str(found)) if found else None


def virtual_host_bucket(host: str) -> str | None:
    found = _module("app")._extract_s3_vhost_bucket(host)
    return str(found) if found else None


def is_for_s3(method: str, path: str, headers: Mapping[str, str], query: Mapping[str, Any]) -> bool:
    return bool(_module("core.router").detect_service(method, path, headers, query) == "s3")


def caller(key: str) -> dict[str, Any] | None:
    """Who an access key belongs to."""
    found: dict[str, Any] | None = _module("core.iam_evaluator").resolve_caller_identity(key)
    return found


def canonical_user(account_id: str) -> str:
    return str(_module("services.s3")._canonical_owner_id(account_id))


def bucket_policy(bucket: str) -> str | None:
    found = _module("services.s3")._bucket_policies.get(bucket)
    return str(found) if found else None


def takes_logs(account_id: str, region_name: str, bucket: str) -> bool:
    """Of the same account and region, and not under a KMS key: S3 delivers to no other bucket."""
    s3 = _module("services.s3")
    with scope(account_id, region_name):
        encrypted_by = s3._bucket_default_sse_headers(bucket).get("x-amz-server-side-encryption", "")
        return bool(bucket in s3._buckets and s3.bucket_region(bucket) == region_name) and "kms" not in encrypted_by


def put_object(bucket: str, key: str, body: bytes) -> int:
    """As a service of AWS's, which whoever calls this has found to be allowed. Returns the HTTP status."""
    status, _, _ = _module("services.s3")._put_object(bucket, key, body, {"content-type": "text/plain"})
    return int(status)


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


# --- EC2 ---------------------------------------------------------------------------------------------------------


def ec2_tags(identity: str) -> dict[str, str] | None:
    found = _module("services.ec2")._tags.get(identity)
    return {tag["Key"]: tag["Value"] for tag in found} if found else None


def ec2(operation: str, params: Mapping[str, Any]) -> tuple[int, bytes]:
    """One of MiniStack's EC2 calls, with parameters as a query has them. The answer is XML."""
    module = _module("services.ec2")
    module._ensure_defaults_initialized()
    handler = module._ACTION_MAP.get(operation)
    if handler is None:
        raise LookupError(f"EC2 has no {operation} in MiniStack")
    status, _, body = handler({name: [str(value)] for name, value in params.items()})
    return int(status), body if isinstance(body, bytes) else str(body).encode()


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


def instance(identity: str) -> dict[str, Any]:
    """MiniStack's own record of one, to read and to change."""
    found: dict[str, Any] = _module("services.ec2")._instances[identity]
    return found


def describe_root_volume(identity: str, facts: Mapping[str, Any]) -> None:
    """MiniStack makes every root volume alike; this is what was asked for."""
    ec2_service = _module("services.ec2")
    for device in ec2_service._instances[identity]["BlockDeviceMappings"]:
        ec2_service._volumes[device["Ebs"]["VolumeId"]].update(facts)


def launch_template_data(specification: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a launch template's version holds; None where there is none such."""
    wanted = {name: str(value) for name, value in specification.items()}
    data, record, _ = _module("services.ec2")._resolve_launch_template_data(wanted)
    versions = {str(one["VersionNumber"]) for one in (record or {}).get("Versions", [])}
    known = wanted.get("Version") in {*versions, "$Latest", "$Default", None}
    return dict(data) if record and known else None


def instance_profile(name: str, arn: str) -> tuple[str, list[str]] | None:
    """ARN and role ARNs of a profile."""
    iam = _module("services.iam")
    found = iam._lookup_instance_profile(name=name, arn=arn)
    if found is None:
        return None
    names = [one["RoleName"] if isinstance(one, dict) else str(one) for one in found["Roles"]]
    return str(found["Arn"]), [str(iam._roles[role_name]["Arn"]) for role_name in names]


def publish_image(parameter_name: str, image: str) -> None:
    """A public parameter, as AWS's own are."""
    _module("services.ssm")._PUBLIC_AMI_PARAMETERS[parameter_name] = image


def parameter(name: str) -> str | None:
    found, _ = _module("services.ssm")._select_parameter(name)
    return str(found["Value"]) if found else None


# --- CloudFormation ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ResourceType:
    """What CloudFormation does with a type: each returns (physical id, attributes)."""

    create: Callable[[str, dict[str, Any], str], tuple[str, dict[str, Any]]]
    update: Callable[[str, dict[str, Any], dict[str, Any], str], tuple[str, dict[str, Any]]]
    delete: Callable[[str, dict[str, Any]], None]
    replacing: tuple[str, ...]
    name_property: str | None = None
    tagged: bool = False
    slow: bool = False


def add_resource_types(types: Mapping[str, ResourceType]) -> None:
    provisioners, stacks = _module("services.cloudformation.provisioners"), _module("services.cloudformation.stacks")
    for name, kind in types.items():
        provisioners._RESOURCE_HANDLERS[name] = {"create": kind.create, "update": kind.update, "delete": kind.delete}
        provisioners._REPLACING_PROPERTIES[name] = kind.replacing
        if kind.name_property:
            provisioners._CUSTOM_NAME_REPLACEMENT[name] = {"name": kind.name_property}
        if kind.tagged:
            provisioners._STACK_TAG_PROPERTY[name] = ("Tags", "list")
    slow = frozenset(name for name, kind in types.items() if kind.slow)
    original = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = functools.wraps(original)(lambda name: name in slow or original(name))


def add_bucket_property(name: str, to_xml: Callable[[Mapping[str, Any]], bytes], call: str) -> None:
    """Have CloudFormation hand a bucket's property to S3's `_put_bucket_<call>`; one that goes is emptied."""
    provisioners, put = _module("services.cloudformation.provisioners"), _s3(f"_put_bucket_{call}")
    delete = _s3(f"_delete_bucket_{call}", lambda bucket: put(bucket, to_xml({})))
    entry = (name, to_xml, put, delete)
    provisioners._S3_BUCKET_CONFIGURATIONS = (*provisioners._S3_BUCKET_CONFIGURATIONS, entry)


def _s3(name: str, otherwise: Any = None) -> Any:  # noqa: ANN401 - a function of MiniStack's
    return getattr(_module("services.s3"), name, otherwise) if otherwise else getattr(_module("services.s3"), name)


def complete_functions_by_template() -> None:
    """MiniStack's CloudFormation drops ReservedConcurrentExecutions and DeadLetterConfig, which its Lambda heeds."""
    handlers = _module("services.cloudformation.provisioners")._RESOURCE_HANDLERS["AWS::Lambda::Function"]

    def completing(original: Callable[..., Any], at: int) -> Callable[..., Any]:
        def provision(*args: Any, **more: Any) -> Any:  # noqa: ANN401 - MiniStack's handler
            answer = original(*args, **more)
            record = _module("services.lambda_svc")._functions[answer[0]]
            reserved, dead = args[at].get("ReservedConcurrentExecutions"), args[at].get("DeadLetterConfig")
            record["concurrency"] = None if reserved is None else int(reserved)
            record["config"].pop("DeadLetterConfig", None)
            record["config"] |= {"DeadLetterConfig": dead} if dead else {}
            return answer

        return provision

    # create(logical id, properties, ...) and update(physical id, old properties, new properties, ...)
    handlers["create"], handlers["update"] = completing(handlers["create"], 1), completing(handlers["update"], 2)


def keep_buckets_that_hold_objects() -> None:
    """MiniStack's CloudFormation deletes a bucket with all that is in it; AWS refuses."""
    handler = _module("services.cloudformation.provisioners")._RESOURCE_HANDLERS["AWS::S3::Bucket"]
    original = handler["delete"]

    def delete(physical_id: str, properties: Mapping[str, Any]) -> None:
        s3 = _module("services.s3")
        objects = (s3._buckets.get(physical_id) or {}).get("objects")
        versions = any(bucket == physical_id and kept for (bucket, _), kept in s3._object_versions.items())
        if objects or versions:
            raise ValueError(
                f"The bucket you tried to delete is not empty. You must delete all versions in bucket {physical_id}."
            )
        original(physical_id, properties)

    handler["delete"] = delete


def name_parameters_as_aws_does() -> None:
    """MiniStack begins a generated name with a slash, which is then no part of the ARN that AWS's names would give."""
    handler = _module("services.cloudformation.provisioners")._RESOURCE_HANDLERS["AWS::SSM::Parameter"]
    original = handler["create"]

    def create(logical_id: str, properties: Mapping[str, Any], stack: str) -> Any:  # noqa: ANN401 - MiniStack's
        name = properties.get("Name") or f"CFN-{logical_id}-{secrets.token_hex(6)}"
        return original(logical_id, {**properties, "Name": name}, stack)

    handler["create"] = create


def reserved_concurrency(function: str) -> int | None:
    record = _module("services.lambda_svc")._functions.get(function) or {}
    return record.get("concurrency")


def api_stage(api_id: str, stage: str) -> dict[str, Any]:
    return dict((_module("services.apigateway")._stages.get(api_id) or {}).get(stage) or {})


def wrap_conditions(wrapper: Callable[..., dict[str, bool]]) -> None:
    """Its users imported the function by name, so each holds its own reference."""
    engine = _module("services.cloudformation.engine")
    wrapped = functools.partial(wrapper, engine._evaluate_conditions)
    for user in CONDITION_USERS:
        _module(f"services.cloudformation.{user}")._evaluate_conditions = wrapped


def restored_stacks() -> Mapping[Any, dict[str, Any]]:
    """Every stack that a start read back, of every account and region; empty where CloudFormation had no state."""
    loaded = "cloudformation" in _module("app")._loaded_modules
    return _module("services.cloudformation")._stacks._data if loaded else {}


def fail_custom_resource(event: Mapping[str, Any], reason: str) -> None:
    """Answer for a custom resource's function, which will not any more."""
    token = str(event["ResponseURL"]).rsplit("/", 1)[-1]
    custom = _module("services.cloudformation.custom_resource")
    if (custom._pending.get(token) or {"result": ""})["result"] is None:
        custom.deliver_response(token, {"Status": "FAILED", "Reason": reason})


def physical_name(stack: str, logical_id: str, max_length: int) -> str:
    provisioners = _module("services.cloudformation.provisioners")
    return str(provisioners._physical_name(stack, logical_id, max_len=max_length))
