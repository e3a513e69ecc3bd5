"""Quotas against what the stage takes. What others in the account use of them is not taken off."""

from collections.abc import Iterator
from typing import Any

from ops.stage import Stage
from ops.watch.doctor.finding import Finding, fault, note, unanswered, unknown, well
from ops.watch.doctor.needs import needs_of, vcpu_quota
from ops.watch.reading import Unknown, asked

# Lambda keeps so many of an account's concurrent executions for functions without a reservation.
UNRESERVED = 100


def quotas(stage: Stage) -> Iterator[Finding]:
    needs = needs_of(stage.config)
    applied = asked(lambda: _sagemaker_quotas(stage.client("service-quotas"), {need.quota for need in needs}))
    for need in needs:
        what = f"quota {need.quota}"
        if isinstance(applied, Unknown):
            yield unanswered(what, applied, f"the stage takes {need.count} ({need.why})")
        elif need.quota not in applied:
            yield unknown(what, "AWS lists no such quota here", f"the stage takes {need.count} ({need.why})")
        else:
            value, code = applied[need.quota]
            yield _held(what, need.count, value, need.why, _more("sagemaker", code, need.count))
    yield from _box(stage)


def _held(what: str, count: float, value: float, why: str, remedy: str) -> Finding:
    said = f"{value:g}, of which the stage takes {count:g} ({why})"
    return well(what, said) if count <= value else fault(what, said, remedy)


def _more(service: str, code: str, count: float) -> str:
    return (
        f"aws service-quotas request-service-quota-increase --service-code {service} --quota-code {code} "
        f"--desired-value {count:g}; it can take days"
    )


def _sagemaker_quotas(client: Any, names: set[str]) -> dict[str, tuple[float, str]]:  # noqa: ANN401 - boto3's client
    """Name -> value and code: the account's own, and AWS's default where the account has none of its own."""
    found: dict[str, tuple[float, str]] = {}
    for listing in ("list_aws_default_service_quotas", "list_service_quotas"):
        for quota in client.get_paginator(listing).paginate(ServiceCode="sagemaker").search("Quotas[]"):
            if quota and quota["QuotaName"] in names:
                found[quota["QuotaName"]] = (quota["Value"], quota["QuotaCode"])
    return found


def _box(stage: Stage) -> Iterator[Finding]:
    box = stage.config.workbench.box
    if not box.enabled:
        return
    code = vcpu_quota(box.instance_type, box.market)
    what = f"quota of vCPUs for {box.instance_type} ({box.market})"

    def read() -> tuple[float, float]:
        found = stage.client("ec2").describe_instance_types(InstanceTypes=[box.instance_type])
        taken = found["InstanceTypes"][0]["VCpuInfo"]["DefaultVCpus"]
        quota = stage.client("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode=code)
        return taken, quota["Quota"]["Value"]

    found = asked(read)
    if isinstance(found, Unknown):
        yield unanswered(what, found)
    else:
        yield _held(what, found[0], found[1], "the box", _more("ec2", code, found[0]))


def concurrency(stage: Stage) -> Iterator[Finding]:
    """Of Lambda, for the predict function's reservation."""
    reserved = stage.config.api.concurrency.reserved
    found = asked(lambda: stage.client("lambda").get_account_settings()["AccountLimit"])
    what = "concurrent executions of Lambda"
    if isinstance(found, Unknown):
        yield unanswered(what, found)
        return
    limit, free = found["ConcurrentExecutions"], found["UnreservedConcurrentExecutions"]
    if reserved is None:
        yield well(what, f"{limit} in the account, none reserved by the stage")
        return
    deployed = asked(lambda: _deployed(stage))
    if isinstance(deployed, Unknown):
        yield unanswered(what, deployed)
        return
    # What is deployed is taken off already.
    left = free + deployed - reserved
    said = f"{limit} in the account, {reserved} for the stage, {left} left for all without a reservation"
    if left >= UNRESERVED:
        yield well(what, said)
    elif reserved <= deployed:
        yield note(what, said)
    else:
        remedy = f"lower api.concurrency.reserved, or {_more('lambda', 'L-B99A9384', limit + UNRESERVED - left)}"
        yield fault(what, f"{said}; AWS keeps {UNRESERVED}", remedy)


def _deployed(stage: Stage) -> int:
    """The predict function's reservation as it stands."""
    name = (stage.find("api") or {}).get("PredictFunctionName")
    if name is None:
        return 0
    found = stage.client("lambda").get_function_concurrency(FunctionName=name)
    return int(found.get("ReservedConcurrentExecutions", 0))
