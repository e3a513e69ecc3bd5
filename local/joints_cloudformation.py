"""Where this package reaches into MiniStack's CloudFormation; `local.joints` checks the places."""

import contextvars
import copy
import functools
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.joints import _module

SIGNATURES: dict[str, tuple[str, ...]] = {
    "services.s3:_put_bucket_encryption": ("name", "body"),
    "services.s3:_put_bucket_lifecycle": ("name", "body"),
    "services.s3:_put_bucket_logging": ("name", "body"),
    "services.s3:_put_bucket_ownership_controls": ("name", "body"),
    "services.cloudformation.custom_resource:deliver_response": ("token", "response"),
    "services.cloudformation.provisioners:_physical_name": (
        "stack_name",
        "logical_id",
        "lowercase",
        "max_len",
        "seeded",
    ),
    "services.cloudformation.custom_resource:invoke_custom_resource": (
        "request_type",
        "logical_id",
        "props",
        "stack_name",
        "stack_id",
        "resource_type",
        "physical_id",
        "old_props",
    ),
    "services.cloudformation.engine:_evaluate_conditions": ("template", "params"),
    "services.cloudformation.engine:_intrinsic_references": ("value",),
    "services.cloudformation.engine:_resolve_refs": (
        "value",
        "resources",
        "params",
        "conditions",
        "mappings",
        "stack_name",
        "stack_id",
    ),
    "services.cloudformation.stacks:_topological_sort": ("resources", "conditions"),
    "services.cloudformation.stacks:_runs_on_worker_thread": ("resource_type",),
}
ATTRIBUTES: tuple[str, ...] = (
    "services.cloudformation.custom_resource:_pending",
    "services.cloudformation.handlers:_ACTION_HANDLERS",
    "services.cloudformation:_change_sets",
    "services.cloudformation:_stacks",
    "services.cloudformation.provisioners:_CUSTOM_NAME_REPLACEMENT",
    "services.cloudformation.provisioners:_REPLACING_PROPERTIES",
    "services.cloudformation.provisioners:_RESOURCE_HANDLERS",
    "services.cloudformation.provisioners:_S3_BUCKET_CONFIGURATIONS",
    "services.cloudformation.provisioners:_STACK_TAG_PROPERTY",
)

# The resources of the template that a stack operation brings; what it starts runs in a copy of its context.
_definitions: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar("definitions", default=None)
# Each imported the function by name.
CONDITION_USERS = ("engine", "stacks", "handlers", "changesets")


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


def keep_keys_of_topics() -> None:
    """MiniStack's CloudFormation drops KmsMasterKeyId."""
    handlers = _module("services.cloudformation.provisioners")._RESOURCE_HANDLERS["AWS::SNS::Topic"]

    def keeping(original: Callable[..., Any], at: int) -> Callable[..., Any]:
        def provision(*args: Any, **more: Any) -> Any:  # noqa: ANN401 - MiniStack's handler
            answer = original(*args, **more)
            attributes, key = _module("services.sns")._topics[answer[0]]["attributes"], args[at].get("KmsMasterKeyId")
            attributes.pop("KmsMasterKeyId", None)
            attributes |= {"KmsMasterKeyId": key} if key else {}
            return answer

        return provision

    # create(logical id, properties, ...) and update(physical id, old properties, new properties, ...)
    handlers["create"], handlers["update"] = keeping(handlers["create"], 1), keeping(handlers["update"], 2)


def let_outputs_change_alone() -> None:
    """MiniStack's change sets see resources alone, so that a new export without one found no way into its stack."""
    actions = _module("services.cloudformation.handlers")._ACTION_HANDLERS
    kept, original = _module("services.cloudformation")._change_sets, actions["CreateChangeSet"]

    def create(params: Mapping[str, Any]) -> Any:  # noqa: ANN401 - MiniStack's answer
        before = set(kept)
        answer = original(params)
        for new in set(kept) - before:
            _see_outputs(kept[new])
        return answer

    actions["CreateChangeSet"] = create


def _see_outputs(change_set: dict[str, Any]) -> None:
    stack = _module("services.cloudformation")._stacks.get(change_set["StackName"]) or {}
    empty = change_set["ChangeSetType"] == "UPDATE" and change_set["Status"] == "FAILED" and not change_set["Changes"]
    outputs = change_set["_template"].get("Outputs", {})
    if empty and outputs != stack.get("_template", {}).get("Outputs", {}):
        change_set |= {"Status": "CREATE_COMPLETE", "ExecutionStatus": "AVAILABLE", "StatusReason": ""}


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


def ask_first(
    create: Callable[[str, str, Mapping[str, Any], str], None],
    update: Callable[[str, str, Mapping[str, Any], Mapping[str, Any]], None],
    delete: Callable[[str, str, Mapping[str, Any]], None],
    call: Callable[[Mapping[str, Any]], None],
) -> None:
    """Before each type's own create, update and delete, and before a custom resource's function is called."""
    provisioners = _module("services.cloudformation.provisioners")

    def asking(question: Callable[..., Any], parts: int, original: Callable[..., Any], *before: str) -> Any:  # noqa: ANN401
        def provision(*args: Any, **more: Any) -> Any:  # noqa: ANN401 - MiniStack's handler
            question(*before, *args[:parts])
            return original(*args, **more)

        return provision

    questions: dict[str, tuple[Callable[..., Any], int]] = {
        "create": (create, 3),
        "update": (update, 3),
        "delete": (delete, 2),
    }
    for kind, handler in provisioners._RESOURCE_HANDLERS.items():
        for verb, (question, parts) in questions.items():
            if verb in handler:
                handler[verb] = asking(question, parts, handler[verb], kind)
    custom = _module("services.cloudformation.custom_resource")
    original = custom.invoke_custom_resource

    def invoke(request: str, logical_id: str, properties: Mapping[str, Any], *args: Any, **more: Any) -> Any:  # noqa: ANN401
        call(properties)
        return original(request, logical_id, properties, *args, **more)

    custom.invoke_custom_resource = invoke


def name_parameters_as_aws_does() -> None:
    """MiniStack begins a generated name with a slash, which is then no part of the ARN that AWS's names would give."""
    handler = _module("services.cloudformation.provisioners")._RESOURCE_HANDLERS["AWS::SSM::Parameter"]
    original = handler["create"]

    def create(logical_id: str, properties: Mapping[str, Any], stack: str) -> Any:  # noqa: ANN401 - MiniStack's
        name = properties.get("Name") or f"CFN-{logical_id}-{secrets.token_hex(6)}"
        return original(logical_id, {**properties, "Name": name}, stack)

    handler["create"] = create


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


def know_update_policies() -> None:
    """MiniStack reads no UpdatePolicy: what one refers to comes first, and `update_policy` finds it."""
    stacks, engine = _module("services.cloudformation.stacks"), _module("services.cloudformation.engine")
    original = stacks._topological_sort

    @functools.wraps(original)
    def sort(resources: dict[str, Any], conditions: Mapping[str, bool]) -> list[str]:
        _definitions.set(resources)
        return list(original({name: _with_its_policy(one, engine) for name, one in resources.items()}, conditions))

    stacks._topological_sort = sort


def _with_its_policy(definition: dict[str, Any], engine: Any) -> dict[str, Any]:  # noqa: ANN401 - MiniStack's module
    named = sorted({name for name, _ in engine._intrinsic_references(definition.get("UpdatePolicy") or {})})
    if not named:
        return definition
    given = definition.get("DependsOn", [])
    return {**definition, "DependsOn": [*([given] if isinstance(given, str) else given), *named]}


def update_policy(stack: str, logical_id: str) -> dict[str, Any]:
    """A resource's, resolved, in the update under way; none while that is rolled back, which goes at once."""
    found = _module("services.cloudformation")._stacks.get(stack) or {}
    policy = ((_definitions.get() or {}).get(logical_id) or {}).get("UpdatePolicy")
    if not policy or "ROLLBACK" in found.get("StackStatus", ""):
        return {}
    resources, parameters = found.get("_resources", {}), found.get("_resolved_params", {})
    engine = _module("services.cloudformation.engine")
    resolved = engine._resolve_refs(
        copy.deepcopy(policy), resources, parameters, {}, {}, stack, found.get("StackId", "")
    )
    return dict(resolved)


def fail_custom_resource(event: Mapping[str, Any], reason: str) -> None:
    """Answer for a custom resource's function, which will not any more."""
    token = str(event["ResponseURL"]).rsplit("/", 1)[-1]
    custom = _module("services.cloudformation.custom_resource")
    if (custom._pending.get(token) or {"result": ""})["result"] is None:
        custom.deliver_response(token, {"Status": "FAILED", "Reason": reason})


def physical_name(stack: str, logical_id: str, max_length: int) -> str:
    provisioners = _module("services.cloudformation.provisioners")
    return str(provisioners._physical_name(stack, logical_id, max_len=max_length))
