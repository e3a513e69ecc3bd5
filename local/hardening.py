"""Where MiniStack lets through what AWS refuses, on the paths that this package serves; docs/local.md lists each.

Each function replaces one of MiniStack's through `joints.wrap` and keeps its signature.
"""

import contextvars
import functools
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from local import bucket_properties, joints, joints_cloudformation, topic_keys
from local.authority import CannotAssume, assume_role
from local.conditions import with_joins
from local.encryption import encryption_checks, granted
from local.network.interfaces import CannotPlug, Placement, plug_function
from local.provisioned import initialization_type
from local.records import Scope
from local.request_context import alias_action, every_log_group_arn, log_stream_arn, metric_namespace
from local.throttle import TOO_MANY, Throttles
from local.tls import Certificates

# MiniStack is untyped: its functions and what they answer.
Foreign = Any
SSE = "x-amz-server-side-encryption"
SSE_KEY = f"{SSE}-aws-kms-key-id"
# Routes and function URLs say for themselves who may call them.
OPEN_TO_ANYBODY = ("execute-api:Invoke", "lambda:InvokeFunctionUrl")
_throttles = Throttles()
FORBIDDEN = (403, {"Content-Type": "application/json"}, b'{"message":"Forbidden"}')
INTERNAL = (500, {"Content-Type": "application/json"}, b'{"message":"Internal Server Error"}')
# What a Lambda process takes from the machine; all else it gets from its own configuration.
LAMBDA_KEEPS = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR")
# The denial that a message must name where it is not the request's own action: kms:Decrypt behind s3:GetObject.
_named: contextvars.ContextVar[tuple[str, str] | None] = contextvars.ContextVar("named_denial", default=None)


def install(certificates: Certificates) -> None:
    joints.wrap("core.iam_evaluator:_is_root_key", _every_key_is_verified)
    joints.wrap("core.iam_evaluator:resolve_caller_identity", _root_identity)
    joints.wrap("core.iam_evaluator:check_credentials", _refuse_unsigned)
    joints.wrap("core.iam_evaluator:enforce", _enforce_encryption_too)
    joints.wrap("core.iam_actions:extract_iam_action", _name_the_alias_action)
    joints.wrap("core.iam_actions:extract_resource_arn", _name_the_log_stream)
    joints.wrap("core.iam_actions:request_tag_context", _name_the_metrics_namespace)
    joints.wrap("core.iam_actions:access_denied_response", _name_the_denied_action)
    joints.wrap("services.s3:_resolve_sse_write_headers", _encrypt_without_naming_a_key)
    joints.wrap("services.s3:_put_bucket_lifecycle", _keep_the_rules_own_prefix)
    joints.wrap("services.s3:_s3_event_to_eventbridge", _tell_expiry_from_creation)
    joints.wrap("app:fix_success_content_type", _leave_the_containers_type)
    joints.wrap("app:_enforce_execute_api", _refuse_unsigned_api_call)
    joints.wrap("services.apigateway:_invoke_lambda_proxy", _ask_the_functions_policy)
    joints.wrap("core.lambda_runtime:execution_credentials", _assume_execution_role)
    joints.replace_lambda_processes(functools.partial(_start_lambda, certificates))


def _every_key_is_verified(original: Foreign, access_key_id: str) -> bool:
    """MiniStack checks no signature under a 12-digit key, so any process could name it and be root."""
    return False


def _root_identity(original: Foreign, access_key_id: str) -> Foreign:
    """The identity an API Gateway event shows, which MiniStack gives root by the rule replaced above."""
    if access_key_id == joints.account():
        account = joints.account()
        return {
            "accessKey": access_key_id,
            "accountId": account,
            "userArn": f"arn:aws:iam::{account}:root",
            "userId": account,
            "principalOrgId": None,
            "session": None,
        }
    return original(access_key_id)


def _refuse_unsigned(original: Foreign, access_key_id: str, service: str | None = None) -> Foreign:
    """A request for which MiniStack knows no action still needs a signature."""
    if joints.is_anonymous() or not access_key_id:
        return joints.missing_token()
    return original(access_key_id, service)


def _leave_the_containers_type(original: Foreign, service: str, status: int, headers: dict[str, str]) -> None:
    """MiniStack sets its services' one content type; what a model answers is the model's to say."""
    if "x-Amzn-Invoked-Production-Variant" not in headers:
        original(service, status, headers)


def _refuse_unsigned_api_call(
    original: Foreign, api_id: str, stage: str, method: str, *rest: Foreign, **more: Foreign
) -> Foreign:
    """A route with AWS_IAM took any Authorization header for a signature."""
    execute_path, headers, query = rest[:3]
    if joints.api_authorization(api_id, stage, method, execute_path) == "AWS_IAM" and not joints.access_key(
        headers, query
    ):
        return FORBIDDEN
    denied = original(api_id, stage, method, *rest, **more)
    return FORBIDDEN if denied else None


def _enforce_encryption_too(  # noqa: PLR0917 - MiniStack's signature
    original: Foreign,
    access_key_id: str,
    iam_action: str,
    service: str,
    region: str,
    resource_arn: str = "*",
    service_context: dict[str, Foreign] | None = None,
) -> Foreign:
    """What lies under a KMS key, an object or a topic, needs the key as well; a grant stands in for a policy."""
    _named.set(None)
    if not access_key_id and not joints.is_anonymous() and iam_action not in OPEN_TO_ANYBODY:
        # An Authorization header that is no signature: MiniStack takes its sender for root.
        return joints.missing_token()
    found = original(access_key_id, iam_action, service, region, resource_arn, service_context)
    if found is not None:
        return _granted(found, iam_action, service, resource_arn)

    def ask(action: str, key_arn: str, context: dict[str, Foreign]) -> Foreign:
        refused = original(access_key_id, action, "kms", region, key_arn, context)
        return _granted(refused, action, "kms", key_arn) if refused is not None else None

    if service == "sns":
        return topic_keys.refusal(iam_action, resource_arn, ask)
    return _objects_key_refusal(encryption_checks(iam_action, resource_arn, region, service_context or {}), ask)


def _objects_key_refusal(checks: Iterable[tuple[str, str, dict[str, Foreign]]], ask: Callable[..., Foreign]) -> Foreign:
    for action, key_arn, context in checks:
        found = ask(action, key_arn, context)
        if found is not None:
            _named.set((action, key_arn))
            return found
        if (unusable := joints.unusable_key(key_arn)) is not None:
            return unusable
    return None


def _encrypt_without_naming_a_key(original: Foreign, headers: dict[str, str], bucket_name: str) -> Foreign:
    """aws:kms without a key means the bucket's key, else AWS's own for S3, which everybody in the account may use."""
    unnamed = headers.get(SSE) == "aws:kms" and not headers.get(SSE_KEY)
    if not unnamed:
        return original(headers, bucket_name)
    key = joints.bucket_encryption_key(bucket_name)
    return {SSE: "aws:kms", **({SSE_KEY: key} if key else {})}, None


def _keep_the_rules_own_prefix(original: Foreign, name: str, body: bytes) -> Foreign:
    """The older spelling of a rule's prefix; MiniStack drops it, and the rule would take in the whole bucket."""
    return original(name, bucket_properties.with_filters(body))


def _tell_expiry_from_creation(original: Foreign, event_name: str) -> tuple[str, str | None]:
    """MiniStack expires nothing, and takes every event that it does not know for a creation."""
    if event_name.startswith("s3:LifecycleExpiration:"):
        return "Object Deleted", "Lifecycle Expiration"
    if event_name == "s3:LifecycleTransition":
        return "Object Storage Class Changed", None
    found: tuple[str, str | None] = original(event_name)
    return found


def _granted(found: Foreign, action: str, service: str, key_arn: str) -> Foreign:
    """None where a KMS grant allows what no policy does."""
    implicit = service == "kms" and getattr(found, "decision", "") == "ImplicitDeny"
    return None if implicit and granted(found.principal_arn, action, joints.kms_grants(key_arn)) else found


def _name_the_alias_action(original: Foreign, service: str, method: str, path: str, *rest: Foreign) -> Foreign:
    found = alias_action(method, path) if service == "lambda" else None
    return found or original(service, method, path, *rest)


def _name_the_log_stream(  # noqa: PLR0917 - MiniStack's signature
    original: Foreign, service: str, method: str, path: str, headers: Mapping[str, str], body: bytes, *rest: Foreign
) -> str:
    found = str(original(service, method, path, headers, body, *rest))
    if service != "logs":
        return found
    action = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
    if action == "DescribeLogGroups":
        _parameters, region, account = rest
        return every_log_group_arn(region, account)
    return log_stream_arn(found, action, body)


def _name_the_metrics_namespace(
    original: Foreign, service: str, iam_action: str, body: bytes, params: Mapping[str, Foreign]
) -> dict[str, Foreign]:
    return {**original(service, iam_action, body, params), **metric_namespace(iam_action, body, params)}


def _name_the_denied_action(
    original: Foreign, service: str, action: str, principal_arn: str, *rest: Foreign, **more: Foreign
) -> Foreign:
    named = _named.get()
    if named is not None and not more.get("error_code"):
        _named.set(None)
        more["message"] = joints.denial_message(named[0], principal_arn, named[1], bool(more.get("explicit_deny")))
    answer = original(service, action, principal_arn, *rest, **more)
    # What a service passes on of KMS is no 403.
    return (400, *answer[1:]) if str(more.get("error_code", "")).startswith("KMS") else answer


async def _ask_the_functions_policy(  # noqa: PLR0917 - MiniStack's signature
    original: Foreign,
    integration: Mapping[str, Foreign],
    api_id: str,
    stage: str,
    path: str,
    method: str,
    *rest: Foreign,
    **more: Foreign,
) -> Foreign:
    """API Gateway invoked any function; AWS asks the function's policy (AWS::Lambda::Permission) first."""
    route_key = rest[3] if len(rest) > 3 else more.get("route_key", "$default")  # noqa: PLR2004 - position in MiniStack
    if not _throttles.admits(api_id, stage, route_key, joints.api_stage(api_id, stage)):
        return TOO_MANY
    account, region = more["owner_account_id"], more["owner_region"]
    function = joints.lambda_of_integration(integration)
    name = function.split(":function:")[-1].split(":")[0]
    route = f"{method}{route_key.split(' ', 1)[1]}" if " " in route_key else route_key
    context = {
        "aws:SourceArn": f"arn:aws:execute-api:{region}:{account}:{api_id}/{stage}/{route}",
        "aws:SourceAccount": account,
    }
    policy = joints.function_policy(name)
    if policy is not None and not joints.service_may(
        policy, "apigateway.amazonaws.com", "lambda:InvokeFunction", function, region, context
    ):
        return INTERNAL
    return await original(integration, api_id, stage, path, method, *rest, **more)


def _assume_execution_role(original: Foreign, config: Mapping[str, Foreign]) -> dict[str, str]:
    """MiniStack derives a function's credentials from its ARN, where anyone can, and asks no trust policy."""
    arn = config["FunctionArn"]
    region, account = arn.split(":")[3:5]
    function = ":".join(arn.split(":")[:7])
    try:
        credentials = assume_role(
            Scope(account, region), config.get("Role", ""), "lambda.amazonaws.com", config["FunctionName"], function
        )
    except CannotAssume as error:
        raise RuntimeError(f"The role defined for the function cannot be assumed by Lambda: {error}.") from error
    placement = Placement.of(config.get("VpcConfig"))
    if placement is not None:
        try:
            plug_function(Scope(account, region), placement, credentials, function)
        except CannotPlug as error:
            raise RuntimeError(f"The function has no network interface in its VPC: {error}.") from error
    return credentials.environment()


def _start_lambda(certificates: Certificates, command: list[str], **options: Foreign) -> "subprocess.Popen[str]":
    """A function's process: its own variables and Lambda's, none of this server's settings, and trust in its CA."""
    given = options.pop("env")
    environment = {name: value for name, value in given.items() if os.environ.get(name) != value}
    environment |= {name: os.environ[name] for name in LAMBDA_KEEPS if name in os.environ}
    environment["AWS_CA_BUNDLE"] = str(certificates.authority)
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"):
        environment[name] = str(certificates.bundle)
    environment.setdefault("AWS_REGION", given.get("AWS_REGION", ""))
    environment["AWS_LAMBDA_INITIALIZATION_TYPE"] = initialization_type()
    own = Path(tempfile.gettempdir()) / "functions" / environment.get("AWS_LAMBDA_FUNCTION_NAME", "unnamed")
    own.mkdir(parents=True, exist_ok=True)
    # Without these a library would find the user's own home by the user's number.
    environment = {"HOME": str(own), "XDG_CACHE_HOME": str(own / ".cache"), **environment}
    return subprocess.Popen(command, env=environment, **options)


def complete_cloudformation() -> None:
    """What its types drop of a template. Once CloudFormation is used: its import is the slowest of all."""
    joints_cloudformation.wrap_conditions(with_joins)
    joints_cloudformation.complete_functions_by_template()
    joints_cloudformation.keep_keys_of_topics()
    joints_cloudformation.keep_buckets_that_hold_objects()
    joints_cloudformation.let_outputs_change_alone()
    joints_cloudformation.name_parameters_as_aws_does()
    joints.wrap("services.lambda_svc:_reserved_concurrency", _reserved_by_the_function)
    joints_cloudformation.add_bucket_property("BucketEncryption", bucket_properties.encryption, "encryption")
    joints_cloudformation.add_bucket_property("OwnershipControls", bucket_properties.ownership, "ownership_controls")
    joints_cloudformation.add_bucket_property("LoggingConfiguration", bucket_properties.logging, "logging")
    joints_cloudformation.add_bucket_property("LifecycleConfiguration", bucket_properties.lifecycle, "lifecycle")
    joints.wrap("services.lambda_svc:_execute_function_with_config_scope", _answer_for_a_broken_function)


def _reserved_by_the_function(original: Foreign, func: Foreign, config: Mapping[str, Foreign]) -> int | None:
    """The reservation is the function's; MiniStack looked for it on the version that an alias names."""
    reserved = joints.reserved_concurrency(str(config.get("FunctionName", "")))
    return original(func, config) if reserved is None else reserved


def _answer_for_a_broken_function(original: Foreign, func: Foreign, event: Mapping[str, Foreign]) -> Foreign:
    """A custom resource whose function fails would keep its stack waiting for an hour, here as on AWS: no use here."""
    result = original(func, event)
    custom = isinstance(event, Mapping) and "ResponseURL" in event and "LogicalResourceId" in event
    if custom and isinstance(result, Mapping) and result.get("error"):
        joints_cloudformation.fail_custom_resource(
            event, f"The function of {event['LogicalResourceId']} failed: {result.get('body')}"
        )
    return result
