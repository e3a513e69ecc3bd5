"""Where this package reaches into MiniStack's Lambda for provisioned concurrency; `local.joints` checks the places."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.joints import _module, scope
from local.records import Scope

SIGNATURES: dict[str, tuple[str, ...]] = {
    "core.lambda_runtime:_worker_key": ("func_name", "config", "qualifier"),
    "core.lambda_runtime:acquire_worker": ("func_name", "config", "code_zip", "qualifier", "max_concurrency"),
    "core.lambda_runtime:ensure_spawned": ("worker",),
    "core.lambda_runtime:release_worker": ("worker",),
    "core.lambda_runtime:reap_idle_workers": ("ttl",),
    "services.lambda_svc:_put_provisioned_concurrency": ("func_name", "qualifier", "data"),
    "services.lambda_svc:_update_alias": ("func_name", "alias_name", "data"),
    "services.lambda_svc:_ensure_reaper_thread": (),
    "services.lambda_svc:_qp_first": ("query_params", "key", "default"),
}
ATTRIBUTES = (
    "core.lambda_runtime:_workers",
    "core.lambda_runtime:_lock",
    "services.lambda_svc:acquire_worker",
    "services.lambda_svc:reap_idle_workers",
    "services.lambda_svc:_functions",
)
ALIAS_TYPE = "AWS::Lambda::Alias"
# A function's environment: MiniStack calls it a worker.
Environment = Any


@dataclass(frozen=True)
class Provisioned:
    """One provisioned concurrency configuration, the very record of MiniStack's, and the version that it is for."""

    place: Scope
    function: str
    qualifier: str
    config: dict[str, Any]
    version: str
    record: dict[str, Any]

    @property
    def requested(self) -> int:
        return int(self.config["RequestedProvisionedConcurrentExecutions"])

    @property
    def pool(self) -> str:
        return str(_module("core.lambda_runtime")._worker_key(self.function, self.record["config"], self.version))


def provisioned() -> list[Provisioned]:
    """Of every account and region, where the version exists."""
    return [
        found
        for (account, region, name), function in list(_module("services.lambda_svc")._functions._data.items())
        for qualifier in list(function.get("provisioned_concurrency") or {})
        if (found := provisioned_for(Scope(account, region), name, qualifier)) is not None
    ]


def provisioned_for(place: Scope, name: str, qualifier: str) -> Provisioned | None:
    function = _function(place, name)
    config = ((function or {}).get("provisioned_concurrency") or {}).get(qualifier)
    if function is None or not config:
        return None
    alias = function["aliases"].get(qualifier)
    version = alias["FunctionVersion"] if alias else qualifier
    record = function["versions"].get(version)
    return Provisioned(place, name, qualifier, config, version, record) if record else None


def has_qualifier(place: Scope, name: str, qualifier: str) -> bool:
    function = _function(place, name)
    return function is not None and (qualifier in function["aliases"] or qualifier in function["versions"])


def is_alias_of_latest(place: Scope, name: str, qualifier: str) -> bool:
    alias = ((_function(place, name) or {}).get("aliases") or {}).get(qualifier)
    return alias is not None and alias["FunctionVersion"] == "$LATEST"


def provisioned_elsewhere(place: Scope, name: str, qualifier: str) -> int:
    """What other qualifiers of the function have."""
    configs = (_function(place, name) or {}).get("provisioned_concurrency") or {}
    return sum(int(one["RequestedProvisionedConcurrentExecutions"]) for key, one in configs.items() if key != qualifier)


def reserved(place: Scope, name: str) -> int | None:
    found: int | None = (_function(place, name) or {}).get("concurrency")
    return found


def _function(place: Scope, name: str) -> dict[str, Any] | None:
    functions = _module("services.lambda_svc")._functions
    found: dict[str, Any] | None = functions.get_scoped(place.account, place.region, name)
    return found


def environments(of: Provisioned) -> list[Environment]:
    """Those that exist for the version, idle or not."""
    runtime = _module("core.lambda_runtime")
    with runtime._lock:
        return list(runtime._workers.get(of.pool, []))


def is_ready(environment: Environment) -> bool:
    return environment._proc is not None and environment._proc.poll() is None


def take_environment(of: Provisioned) -> Environment:
    """One of the version's, else a new one that has not begun: nobody else gets it before it is given back."""
    runtime = _module("core.lambda_runtime")
    with scope(of.place.account, of.place.region):
        taken, _ = runtime.acquire_worker(of.function, of.record["config"], of.record["code_zip"], qualifier=of.version)
    return taken


def begin(of: Provisioned, environment: Environment) -> None:
    """Runs the function's initialisation; raises what that says."""
    with scope(of.place.account, of.place.region):
        _module("core.lambda_runtime").ensure_spawned(environment)
        _module("services.lambda_svc")._ensure_reaper_thread()


def give_back(environment: Environment) -> None:
    _module("core.lambda_runtime").release_worker(environment)


def alias(place: Scope, name: str, alias_name: str) -> dict[str, Any] | None:
    """A function's alias as it is now."""
    found: dict[str, Any] | None = ((_function(place, name) or {}).get("aliases") or {}).get(alias_name)
    return found


def move_alias(
    place: Scope, name: str, alias_name: str, version: str, weights: Mapping[str, float]
) -> tuple[int, bytes]:
    """By Lambda's own call; `weights` are the shares of versions beside `version`."""
    data = {"FunctionVersion": version, "RoutingConfig": {"AdditionalVersionWeights": dict(weights)}}
    with scope(place.account, place.region):
        status, _, body = _module("services.lambda_svc")._update_alias(name, alias_name, data)
    return int(status), bytes(body)


def version_record(place: Scope, name: str, version: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = ((_function(place, name) or {}).get("versions") or {}).get(version)
    return found


def qualifier(headers: Mapping[str, str], query: Mapping[str, Any]) -> str:
    """What an invocation asks for beside the name in its path."""
    first = _module("services.lambda_svc")._qp_first
    return str(first(query, "Qualifier") or first(headers, "x-amz-qualifier") or "")


def put_provisioned(place: Scope, name: str, qualifier: str, count: int) -> tuple[int, bytes]:
    with scope(place.account, place.region):
        status, _, body = _module("services.lambda_svc")._put_provisioned_concurrency(
            name, qualifier, {"ProvisionedConcurrentExecutions": count}
        )
    return int(status), bytes(body)


def wait_for_aliases(settle: Callable[[str, str], None]) -> None:
    """Have CloudFormation call `settle(function, alias)` after it made or changed one, on a thread that may wait."""
    provisioners, stacks = _module("services.cloudformation.provisioners"), _module("services.cloudformation.stacks")
    handlers = provisioners._RESOURCE_HANDLERS[ALIAS_TYPE]

    def settling(original: Callable[..., Any], at: int) -> Callable[..., Any]:
        @functools.wraps(original)
        def provision(*args: Any, **more: Any) -> Any:  # noqa: ANN401 - MiniStack's handler
            answer = original(*args, **more)
            # arn:aws:lambda:<region>:<account>:function:<name>:<alias>
            settle(*answer[0].split(":")[6:8])
            return answer

        return provision

    # create(logical id, properties, ...) and update(physical id, old properties, new properties, ...)
    handlers["create"], handlers["update"] = settling(handlers["create"], 1), settling(handlers["update"], 2)
    runs_on_thread = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = functools.wraps(runs_on_thread)(
        lambda name: name == ALIAS_TYPE or runs_on_thread(name)
    )


def before_alias_updates(prepare: Callable[..., None]) -> None:
    """Have CloudFormation call `prepare` with what it changes an alias by: physical id, properties old and new, stack,
    logical id.
    """
    handlers = _module("services.cloudformation.provisioners")._RESOURCE_HANDLERS[ALIAS_TYPE]
    original = handlers["update"]

    @functools.wraps(original)
    def update(*args: Any) -> Any:  # noqa: ANN401 - MiniStack's handler
        prepare(*args)
        return original(*args)

    handlers["update"] = update
