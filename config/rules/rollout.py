"""How large a step of an update may be, and what each kind of update excludes."""

from collections.abc import Iterator

from config.rules.table import Finding, rule
from config.sections.rollout import Rollout
from config.sections.serving import Serving

# SageMaker's own limits, in percent of a variant's instances.
STEPS = {"canary": (1, 50), "linear": (10, 50), "rolling": (5, 50)}
MOST_ALARMS = 10
ALARMS_A_VARIANT = 2


@rule("serving")
def steps_lie_within_their_limits(serving: Serving) -> Iterator[Finding]:
    rollout = serving.rollout
    if rollout is None:
        return
    if rollout.kind not in STEPS:
        if rollout.step_percent is not None:
            message = f'has no effect with serving.rollout.kind = "{rollout.kind}"; remove it or choose another kind'
            yield Finding("serving.rollout.step_percent", rollout.step_percent, message)
        return
    low, high = STEPS[rollout.kind]
    if rollout.step_percent is None:
        message = f"needs serving.rollout.step_percent; choose {low} to {high}"
        yield Finding("serving.rollout.kind", rollout.kind, message)
    elif not low <= rollout.step_percent <= high:
        message = f'lies outside the limits of kind "{rollout.kind}"; choose {low} to {high}'
        yield Finding("serving.rollout.step_percent", rollout.step_percent, message)


@rule("serving")
def rolling_updates_know_one_fleet(serving: Serving) -> Iterator[Finding]:
    rollout = serving.rollout
    if rollout is None or rollout.kind != "rolling":
        return
    why = ""
    if serving.mode == "serverless":
        why = "a serverless endpoint has no instances to update in batches"
    elif serving.variants:
        why = "SageMaker updates several variants blue/green only"
    elif serving.shadow is not None:
        why = "SageMaker updates an endpoint with a shadow blue/green only"
    if why:
        yield Finding("serving.rollout.kind", "rolling", f'{why}; choose "canary", "linear" or "all-at-once"')
    if rollout.keep_old_seconds:
        message = "a rolling update takes the old fleet down as it goes; set it to 0 or choose another kind"
        yield Finding("serving.rollout.keep_old_seconds", rollout.keep_old_seconds, message)


@rule("serving")
def inferentia_1_knows_no_guardrails(serving: Serving) -> Iterator[Finding]:
    if serving.rollout is not None and serving.mode != "serverless" and serving.instance_type.startswith("ml.inf1."):
        message = (
            "SageMaker ignores rollouts on inf1 and updates all at once; choose ml.inf2.xlarge or remove the section"
        )
        yield Finding("serving.instance_type", serving.instance_type, message)


@rule("serving")
def alarms_are_few_enough(serving: Serving) -> Iterator[Finding]:
    variants = 1 + len(serving.variants)
    if serving.rollout is not None and serving.rollout.alarms is not None and variants * ALARMS_A_VARIANT > MOST_ALARMS:
        message = (
            f"an update takes at most {MOST_ALARMS} alarms, and each variant has {ALARMS_A_VARIANT}; keep at most "
            f"{MOST_ALARMS // ALARMS_A_VARIANT - 1} or remove [serving.rollout.alarms]"
        )
        yield Finding("serving.variants", [one.name for one in serving.variants], message)


@rule("serving")
def waits_are_for_alarms(serving: Serving) -> Iterator[Finding]:
    rollout = serving.rollout
    if rollout is None:
        return
    if rollout.alarms is None and rollout.kind != "all-at-once":
        message = "nothing watches its steps; add [serving.rollout.alarms]"
        yield Finding("serving.rollout.kind", rollout.kind, message, refused=False)
    if rollout.alarms is not None and rollout.alarms.minutes * 60 > longest_watch(rollout):
        message = (
            f"alarms need {rollout.alarms.minutes} minutes to go off, and the update is over after "
            f"{longest_watch(rollout)} s of watching; raise it or lower serving.rollout.alarms.minutes"
        )
        yield Finding("serving.rollout.wait_seconds", rollout.wait_seconds, message, refused=False)


def longest_watch(rollout: Rollout) -> int:
    """Seconds for which some traffic reaches the new fleet while alarms are watched."""
    steps = {"canary": 1, "all-at-once": 1}.get(rollout.kind, -(-100 // (rollout.step_percent or 100)))
    return steps * rollout.wait_seconds + rollout.keep_old_seconds


@rule("serving")
def a_timeout_outlasts_the_waits(serving: Serving) -> Iterator[Finding]:
    rollout = serving.rollout
    if rollout is None or rollout.timeout_seconds is None:
        return
    waits = longest_watch(rollout)
    if rollout.timeout_seconds <= waits:
        message = f"is not above the update's own waits of {waits} s; raise it or lower them"
        yield Finding("serving.rollout.timeout_seconds", rollout.timeout_seconds, message)
