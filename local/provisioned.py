"""Lambda's provisioned concurrency: environments that have begun before anybody calls, kept for their version.

MiniStack keeps the configuration and says READY. Here READY means that as many processes have imported the handler.
"""

import json
import logging
import threading
import time
from typing import Any

from local import joints, joints_cloudwatch, joints_lambda
from local.clock import Clock
from local.joints_lambda import Provisioned
from local.records import Scope

logger = logging.getLogger("embedded-aws.lambda")
READY, IN_PROGRESS, FAILED = "READY", "IN_PROGRESS", "FAILED"
NAMESPACE = "AWS/Lambda"
# MiniStack is untyped: its functions and what they answer.
Foreign = Any
_beginning = threading.local()


def initialization_type() -> str:
    """What AWS_LAMBDA_INITIALIZATION_TYPE says in an environment that begins on this thread."""
    return getattr(_beginning, "type", "on-demand")


class ProvisionedConcurrency:
    """Every configuration, and the work of fulfilling it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._changed = threading.Condition()
        self._filling: set[tuple[Scope, str, str]] = set()

    def install(self) -> None:
        joints.wrap("services.lambda_svc:_put_provisioned_concurrency", self._put)
        joints.wrap("services.lambda_svc:_update_alias", self._alias_updated)
        joints.wrap("services.lambda_svc:acquire_worker", self._taken)
        joints.wrap("services.lambda_svc:reap_idle_workers", self._keep)

    def complete_cloudformation(self) -> None:
        joints_lambda.wait_for_aliases(self.settle)

    def fill(self) -> None:
        """What is missing anywhere: after a start, a new version of an alias, or the end of an environment."""
        for one in joints_lambda.provisioned():
            if one.config["Status"] != FAILED and len(self._ready(one)) < one.requested:
                self._begin_filling(one)

    def settle(self, function: str, qualifier: str) -> None:
        """Until the configuration, if there is one, is fulfilled; a failure is a ValueError."""
        place = Scope(joints.account(), joints.current_region())

        def settled() -> bool:
            found = joints_lambda.provisioned_for(place, function, qualifier)
            return found is None or found.config["Status"] != IN_PROGRESS

        with self._changed:
            self._changed.wait_for(settled)
        found = joints_lambda.provisioned_for(place, function, qualifier)
        if found is not None and found.config["Status"] == FAILED:
            raise ValueError(
                f"Provisioned concurrency of {function}:{qualifier} failed: {found.config['StatusReason']}"
            )

    # --- in MiniStack's place ------------------------------------------------------------------------------------

    def _put(self, original: Foreign, func_name: str, qualifier: str, data: dict[str, Foreign]) -> Foreign:
        place = Scope(joints.account(), joints.current_region())
        refused = _refusal(place, func_name, qualifier, int(data.get("ProvisionedConcurrentExecutions", 0)))
        if refused is not None:
            return _error(refused)
        before = joints_lambda.provisioned_for(place, func_name, qualifier)
        had = before.config["AllocatedProvisionedConcurrentExecutions"] if before else 0
        answer = original(func_name, qualifier, data)
        found = joints_lambda.provisioned_for(place, func_name, qualifier)
        if found is None:
            return answer
        allocated = min(had, found.requested)
        found.config.update(Status=IN_PROGRESS, **_counted(allocated))
        self._begin_filling(found)
        return answer[0], answer[1], json.dumps(found.config).encode()

    def _alias_updated(self, original: Foreign, func_name: str, alias_name: str, data: dict[str, Foreign]) -> Foreign:
        place = Scope(joints.account(), joints.current_region())
        before = joints_lambda.provisioned_for(place, func_name, alias_name)
        answer = original(func_name, alias_name, data)
        found = joints_lambda.provisioned_for(place, func_name, alias_name)
        if found is not None and (before is None or before.version != found.version):
            found.config.update(Status=IN_PROGRESS, **_counted(0))
            self._begin_filling(found)
        return answer

    def _taken(self, original: Foreign, func_name: str, config: Foreign, code_zip: bytes, **more: Foreign) -> Foreign:
        """An invocation gets its environment: the moment at which Lambda counts."""
        answer = original(func_name, config, code_zip, **more)
        account, region = config["FunctionArn"].split(":")[4], config["FunctionArn"].split(":")[3]
        for one in joints_lambda.provisioned():
            same = (one.place, one.function, one.version)
            if same == (Scope(account, region), func_name, more.get("qualifier", "$LATEST")):
                self._count(one)
        return answer

    def _keep(self, original: Foreign, *args: Foreign) -> Foreign:
        """MiniStack ends what has been idle for long."""
        now = time.time()
        for one in joints_lambda.provisioned():
            for environment in joints_lambda.environments(one)[: one.requested]:
                environment.last_used = now
        return original(*args)

    # --- filling -------------------------------------------------------------------------------------------------

    @staticmethod
    def _ready(one: Provisioned) -> list[joints_lambda.Environment]:
        return [each for each in joints_lambda.environments(one) if joints_lambda.is_ready(each)]

    def _begin_filling(self, one: Provisioned) -> None:
        key = (one.place, one.function, one.qualifier)
        with self._changed:
            if key in self._filling:
                return
            self._filling.add(key)
        threading.Thread(target=self._fill, args=(key,), daemon=True, name=f"provision-{one.function}").start()

    def _fill(self, key: tuple[Scope, str, str]) -> None:
        """Looks again after each environment: meanwhile the number or the alias's version may have changed."""
        _beginning.type = "provisioned-concurrency"
        while True:
            one = joints_lambda.provisioned_for(*key)
            with self._changed:
                if one is None or self._is_fulfilled(one):
                    self._filling.discard(key)
                    self._changed.notify_all()
                    return
            try:
                self._add(one)
            except Exception as error:
                reason = f"FUNCTION_ERROR_INIT_FAILURE: {error}"[:1000]
                logger.warning("Provisioned concurrency of %s:%s: %s", one.function, one.qualifier, reason)
                with self._changed:
                    one.config.update(Status=FAILED, StatusReason=reason, **_counted(0))
                    self._filling.discard(key)
                    self._changed.notify_all()
                return

    def _is_fulfilled(self, one: Provisioned) -> bool:
        ready = min(len(self._ready(one)), one.requested)
        one.config.update(_counted(ready))
        if ready < one.requested:
            return False
        one.config["Status"] = READY
        one.config.pop("StatusReason", None)
        return True

    @staticmethod
    def _add(one: Provisioned) -> None:
        """One more that is ready. Those that are ready already are taken aside until it is found or made."""
        aside = []
        try:
            while True:
                taken = joints_lambda.take_environment(one)
                aside.append(taken)
                if not joints_lambda.is_ready(taken):
                    joints_lambda.begin(one, taken)
                    return
        finally:
            for each in aside:
                joints_lambda.give_back(each)

    def _count(self, one: Provisioned) -> None:
        busy = sum(each.in_use for each in joints_lambda.environments(one))
        spilled = busy > one.requested
        dimensions = {"FunctionName": one.function, "Resource": f"{one.function}:{one.qualifier}"}
        said = {
            "ProvisionedConcurrencyUtilization": min(busy, one.requested) / one.requested,
            "ProvisionedConcurrentExecutions": float(min(busy, one.requested)),
            "ProvisionedConcurrencyInvocations": float(not spilled),
            "ProvisionedConcurrencySpilloverInvocations": float(spilled),
        }
        for metric, value in said.items():
            unit = "None" if metric.endswith("Utilization") else "Count"
            joints_cloudwatch.publish(one.place, NAMESPACE, metric, unit, dimensions, self.clock.now(), {value: 1})


def _counted(ready: int) -> dict[str, int]:
    return {"AllocatedProvisionedConcurrentExecutions": ready, "AvailableProvisionedConcurrentExecutions": ready}


def _refusal(place: Scope, function: str, qualifier: str, count: int) -> str | None:
    if not joints_lambda.has_qualifier(place, function, qualifier):
        # MiniStack has its own words for it.
        return None
    if count < 1:
        return "ProvisionedConcurrentExecutions must be at least 1."
    if qualifier == "$LATEST" or joints_lambda.is_alias_of_latest(place, function, qualifier):
        return "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
    reserved = joints_lambda.reserved(place, function)
    if reserved is not None and count + joints_lambda.provisioned_elsewhere(place, function, qualifier) > reserved:
        return (
            "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
        )
    return None


def _error(message: str) -> tuple[int, dict[str, str], bytes]:
    code = "InvalidParameterValueException"
    headers = {"Content-Type": "application/json", "x-amzn-errortype": code}
    return 400, headers, json.dumps({"Type": "User", "Message": message, "message": message}).encode()
