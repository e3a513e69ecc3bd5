"""What goes with what in [serving]: one table, a row a combination that cannot work, with the sentence about it."""

import copy

import botocore.session
import pytest

from config.instances import HOSTED_TYPES
from config.load import parse_stage
from tests.config.stage_file import changed, faults

MODEL = f"models/{'ab' * 32}/model.tar.gz"
SERVERLESS = {
    "serving__mode": "serverless",
    "serving__serverless": {"memory_mb": 2048, "max_concurrency": 5},
    "serving__capture_percent": 0,
    "serving__encrypt_volume": False,
    "serving__scaling__enabled": False,
    "api__max_image_bytes": 4_000_000,
    "api__max_upload_bytes": 0,
}
ASYNC = {
    "serving__mode": "async",
    "serving__async": {"target_backlog": 5.0, "max_concurrent_per_instance": 4, "notify": True},
}
ALARMS = {"error_percent": 1.0, "latency_p99_ms": 500.0, "minutes": 2}
VARIANT = {"name": "challenger", "artifact": MODEL, "version": "8", "weight_percent": 10}
SHADOW = {"artifact": MODEL, "version": "8", "percent": 50}
IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/decode:1"
CONTAINER = {"name": "decode", "image": IMAGE}
SCHEDULE = {"name": "morning", "when": "cron(0 7 ? * MON-FRI *)", "min_instances": 1, "max_instances": 2}


def rollout(kind="canary", step=50, wait=600, **more):
    step = {} if step is None else {"step_percent": step}
    return {"serving__rollout": {"kind": kind, "wait_seconds": wait, "alarms": ALARMS, **step, **more}}


def variant(**more):
    return {"serving__variants": [{**VARIANT, **more}]}


def pipeline(*before, after=()):
    return {"serving__pipeline": {"before": list(before), "after": list(after)}}


REFUSED = [
    # the network
    ({"serving__precision": "bf16"}, 'serving.precision = "bf16": must be "fp32" or "int8"'),
    # serverless
    ({**SERVERLESS, "serving__serverless": {"memory_mb": 1500, "max_concurrency": 5}},
     "serving.serverless.memory_mb = 1500: must be 1024, 2048, 3072, 4096, 5120 or 6144"),
    ({**SERVERLESS, "serving__serverless": {"memory_mb": 2048, "max_concurrency": 201}},
     "serving.serverless.max_concurrency = 201: must be less than or equal to 200"),
    ({**SERVERLESS, "serving__serverless": {"memory_mb": 2048, "max_concurrency": 2, "provisioned_concurrency": 3}},
     "serving.serverless.provisioned_concurrency = 3: is above serving.serverless.max_concurrency = 2; lower it"),
    ({**SERVERLESS, "serving__capture_percent": 10},
     'serving.capture_percent = 10: serving.mode = "serverless": serverless endpoints capture nothing; set it to 0'),
    ({**SERVERLESS, "serving__scaling__enabled": True},
     'serving.scaling.enabled = true: serving.mode = "serverless": a serverless endpoint scales by itself'),
    ({**SERVERLESS, "serving__encrypt_volume": True},
     'serving.encrypt_volume = true: serving.mode = "serverless": a serverless endpoint has no volume'),
    ({**SERVERLESS, **variant()}, 'serving.variants = ["challenger"]: serving.mode = "serverless"'),
    ({**SERVERLESS, **pipeline(CONTAINER)}, 'serving.pipeline = ["decode"]: serving.mode = "serverless"'),
    ({**SERVERLESS, "serving__shadow": SHADOW}, 'serving.shadow.percent = 50: serving.mode = "serverless"'),
    ({**SERVERLESS, **rollout("rolling", 20)},
     'serving.rollout.kind = "rolling": a serverless endpoint has no instances to update in batches; choose "canary"'),
    ({**SERVERLESS, "network__isolated": True}, "network.isolated = true: a serverless endpoint cannot run inside a VPC"),
    # sections belong to their modes
    ({"serving__mode": "async"}, 'serving.mode = "async": needs the section [serving.async]; add it'),
    ({"serving__async": ASYNC["serving__async"]},
     'serving.mode = "realtime": [serving.async] has no effect; remove it or set serving.mode = "async"'),
    # async
    ({**ASYNC, "serving__shadow": SHADOW}, 'serving.shadow.percent = 50: serving.mode = "async": such an endpoint has no'),
    ({**ASYNC, **variant()}, 'serving.variants = ["challenger"]: serving.mode = "async": the backlog'),
    ({**ASYNC, "serving__scaling__metric": "concurrency"},
     'serving.scaling.metric = "concurrency": serving.mode = "async": an asynchronous endpoint holds its backlog'),
    ({**ASYNC, "serving__async": {**ASYNC["serving__async"], "target_backlog": 0.0}},
     "serving.async.target_backlog = 0.0: must be greater than 0"),
    ({**ASYNC, "serving__async": {**ASYNC["serving__async"], "topic": "x"}},
     "serving.async.topic is not a key; rename or remove it"),
    # scaling
    ({"serving__scaling__min_instances": 0},
     'serving.scaling.min_instances = 0: serving.mode = "realtime": only mode "async" can sleep and wake'),
    ({"serving__scaling__metric": "concurrency"},
     'serving.scaling.metric = "concurrency": needs serving.scaling.target_concurrent_requests'),
    ({"serving__scaling__schedule": [{**SCHEDULE, "min_instances": 3}]},
     "serving.scaling.schedule.0.min_instances = 3: is above serving.scaling.schedule.0.max_instances = 2"),
    ({"serving__scaling__schedule": [{**SCHEDULE, "min_instances": 0}]},
     'serving.scaling.schedule.0.min_instances = 0: only mode "async" can sleep and wake'),
    ({"serving__scaling__schedule": [SCHEDULE, SCHEDULE]},
     'serving.scaling.schedule.1.name = "morning": names two schedules'),
    ({"serving__scaling__schedule": [{**SCHEDULE, "when": "every day"}]},
     'serving.scaling.schedule.0.when = "every day": must match'),
    ({"serving__scaling__enabled": False, "serving__scaling__schedule": [SCHEDULE]},
     'serving.scaling.schedule = ["morning"]: has no effect on a fixed fleet'),
    ({"serving__scaling__schedule": SCHEDULE},
     "[serving.scaling.schedule] may stand more than once, so that it is written [[serving.scaling.schedule]]"),
    # rollouts
    (rollout("canary", 51), 'serving.rollout.step_percent = 51: lies outside the limits of kind "canary"; choose 1 to 50'),
    (rollout("linear", 9), 'serving.rollout.step_percent = 9: lies outside the limits of kind "linear"; choose 10 to 50'),
    (rollout("linear", 51), 'serving.rollout.step_percent = 51: lies outside the limits of kind "linear"'),
    (rollout("rolling", 4), 'serving.rollout.step_percent = 4: lies outside the limits of kind "rolling"; choose 5 to 50'),
    (rollout("rolling", 51), 'serving.rollout.step_percent = 51: lies outside the limits of kind "rolling"'),
    (rollout("canary", None), 'serving.rollout.kind = "canary": needs serving.rollout.step_percent; choose 1 to 50'),
    (rollout("all-at-once", 10), 'serving.rollout.step_percent = 10: has no effect with serving.rollout.kind'),
    (rollout(wait=3601), "serving.rollout.wait_seconds = 3601: must be less than or equal to 3600"),
    (rollout(keep_old_seconds=3601), "serving.rollout.keep_old_seconds = 3601: must be less than or equal to 3600"),
    (rollout("rolling", 20, keep_old_seconds=60), "serving.rollout.keep_old_seconds = 60: a rolling update takes"),
    (rollout(timeout_seconds=599), "serving.rollout.timeout_seconds = 599: must be greater than or equal to 600"),
    (rollout(timeout_seconds=600), "serving.rollout.timeout_seconds = 600: is not above the update's own waits of 600 s"),
    ({**rollout("rolling", 20), **variant()}, 'serving.rollout.kind = "rolling": SageMaker updates several variants'),
    ({**rollout("rolling", 20), "serving__shadow": SHADOW}, 'serving.rollout.kind = "rolling": SageMaker updates an endpo'),
    ({**rollout(), "serving__instance_type": "ml.inf1.xlarge"}, 'serving.instance_type = "ml.inf1.xlarge": SageMaker ign'),
    ({**rollout(), "serving__variants": [{**VARIANT, "name": f"v{n}", "weight_percent": 1} for n in range(5)]},
     'serving.variants = ["v0", "v1", "v2", "v3", "v4"]: an update takes at most 10 alarms, and each variant has 2'),
    # variants
    (variant(weight_percent=100), "serving.variants.weight_percent = [100]: add up to 100 or more"),
    (variant(name="primary"), 'serving.variants.0.name = "primary": is taken by another variant'),
    (variant(name="shadow"), 'serving.variants.0.name = "shadow": is taken by another variant'),
    (variant(name="Blue"), 'serving.variants.0.name = "Blue": must match'),
    (variant(instance_count=9), "serving.variants.0.instance_count = 9: lies outside the scaling range; choose 1 to 2"),
    (variant(instance_type="ml.t2.medium"), 'serving.variants.0.instance_type = "ml.t2.medium": burstable types cannot'),
    (variant(instance_type="ml.c7g.large"), 'serving.variants.0.instance_type = "ml.c7g.large": is an Arm type'),
    (variant(artifact="model.tar.gz"), 'serving.variants.0.artifact = "model.tar.gz": must match'),
    ({**variant(), "serving__shadow": SHADOW}, 'serving.variants = ["challenger"]: a shadow follows a single variant'),
    ({**pipeline(CONTAINER), "serving__shadow": SHADOW}, 'serving.pipeline = ["decode"]: a shadow goes with a single con'),
    ({"serving__shadow": {**SHADOW, "instance_type": "ml.m5.medium"}},
     'serving.shadow.instance_type = "ml.m5.medium": is no type that SageMaker hosts endpoints on'),
    ({"serving__instance_type": "ml.t3.medium", "serving__scaling__enabled": False},
     'serving.instance_type = "ml.t3.medium": is no type that SageMaker hosts endpoints on; choose ml.m5.large'),
    # pipelines
    (pipeline(), "serving.pipeline = []: a pipeline has at least one container beside the classifier"),
    (pipeline(CONTAINER, CONTAINER), 'serving.pipeline.before.1.name = "decode": is taken by another container'),
    (pipeline({**CONTAINER, "name": "classifier"}), 'serving.pipeline.before.0.name = "classifier": is taken'),
    (pipeline(*({**CONTAINER, "name": f"c{n}"} for n in range(15))), 'serving.pipeline = ["c0", "c1", "c2"'),
    (pipeline({**CONTAINER, "image": "decode:1"}), 'serving.pipeline.before.0.image = "decode:1": names no image in ECR'),
    (pipeline({**CONTAINER, "image": IMAGE.replace("us-east-1", "eu-west-1")}),
     f'serving.pipeline.before.0.image = "{IMAGE.replace("us-east-1", "eu-west-1")}": lies in eu-west-1'),
    (pipeline(after=[{**CONTAINER, "image": IMAGE.replace(":1", ":latest")}]),
     f'serving.pipeline.after.0.image = "{IMAGE.replace(":1", ":latest")}": moves under a running endpoint'),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "sentence"), REFUSED, ids=[sentence.split(":")[0] for _, sentence in REFUSED])
def test_what_cannot_work_is_refused_in_one_sentence(changes, sentence):
    (fault,) = faults(**copy.deepcopy(changes))
    assert fault.startswith(sentence)


WARNED = [
    (rollout("linear", 20, wait=600) | {"serving__rollout__alarms": None},
     'serving.rollout.kind = "linear": nothing watches its steps'),
    (rollout(wait=60), "serving.rollout.wait_seconds = 60: alarms need 2 minutes to go off, and the update is over after 60 s"),
    ({"serving__instance_quota": 3}, "serving.instance_quota = 3: an update runs the old and the new fleet side by side, up to 4"),
    ({"serving__instance_quota": 2, **rollout("rolling", 20)},
     "serving.instance_quota = 2: an update adds a batch of new instances first, up to 3 instances"),
    (variant(instance_type="ml.g5.xlarge"), "serving.encrypt_volume = true: ml.g5.xlarge keeps data on local NVMe"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "sentence"), WARNED, ids=[sentence.split(":")[0] for _, sentence in WARNED])
def test_what_works_but_likely_not_as_meant_is_warned_about(changes, sentence):
    _, (warning,) = parse_stage(changed(**copy.deepcopy(changes)), "config/dev.toml")
    assert warning.startswith(f"config/dev.toml: {sentence}")


FINE = [
    SERVERLESS,
    {**SERVERLESS, **rollout()},
    ASYNC,
    {**ASYNC, "serving__scaling__min_instances": 0},
    {**ASYNC, **rollout("rolling", 20)},
    rollout("canary", 50),
    rollout("linear", 10),
    rollout("linear", 50),
    rollout("rolling", 5),
    rollout("rolling", 50),
    rollout("all-at-once", None, keep_old_seconds=600),
    rollout(timeout_seconds=601),
    rollout(wait=3600),
    variant(weight_percent=99),
    {**rollout(), "serving__variants": [{**VARIANT, "name": f"v{n}", "weight_percent": 1} for n in range(4)]},
    {"serving__shadow": SHADOW},
    pipeline(*({**CONTAINER, "name": f"c{n}"} for n in range(14))),
    {"serving__instance_quota": 4},
    {"serving__scaling__schedule": [SCHEDULE]},
    {"serving__scaling__metric": "concurrency", "serving__scaling__target_concurrent_requests": 4.0},
]


@pytest.mark.parametrize("changes", FINE, ids=", ".join)
def test_what_lies_just_within_the_limits_is_taken_without_a_word(changes):
    assert parse_stage(changed(**copy.deepcopy(changes)), "config/dev.toml")[1] == []


def test_the_hosted_types_are_the_services():
    model = botocore.session.get_session().get_service_model("sagemaker")
    assert set(model.shape_for("ProductionVariantInstanceType").enum) == HOSTED_TYPES
