"""Jobs that SageMaker would refuse, or that would spend money for nothing, are found before a deploy."""

import pytest
from botocore import session

from config import instances
from config.load import parse_stage
from tests.config.stage_file import changed, faults

NVME = "keeps its data on local NVMe, for which SageMaker takes no key of a job's; set training.encrypt_volume = false"
RATE = {"name": "learning_rate", "range": [0.001, 0.1]}
ALPHA = {"name": "cutmix", "values": [0.5, 1.0]}
WEIGHTS = {"key": "weights/resnet50-11ad3fa6.pth", "sha256": f"11ad3fa6{'0' * 56}"}
HEAD = {"training__hyperparameters__stage": "head", "training__weights": WEIGHTS}
BF16 = {"training__hyperparameters__precision": "bf16"}
ARCHITECTURE = "training__hyperparameters__architecture"
SENTENCES = [
    *(
        (
            {ARCHITECTURE: name},
            f'training.hyperparameters.architecture = "{name}": is no network; choose small_cnn, resnet18, resnet34, '
            "resnet50, torchvision/NAME or timm/NAME",
        )
        for name in ("resnet101", "torchvision/", "keras/resnet50", "timm/hub/x", "/resnet18")
    ),
    (
        {"stage__region": "xx-nowhere-1", "network__zones": ["xx-nowhere-1a", "xx-nowhere-1b"]},
        'stage.region = "xx-nowhere-1": has no registry of AWS\'s training images that is known here',
    ),
    (
        {"training__instance_type": "ml.t2.medium"},
        'training.instance_type = "ml.t2.medium": is no type on which SageMaker runs training jobs; choose ml.m5.xlarge',
    ),
    (
        {"training__processing__instance_type": "ml.c5n.xlarge"},
        'training.processing.instance_type = "ml.c5n.xlarge": is no type on which SageMaker runs processing jobs',
    ),
    (
        {"training__instance_type": "ml.m6g.large"},
        'training.instance_type = "ml.m6g.large": is no type on which SageMaker runs training jobs',
    ),
    (
        {"training__instance_type": "ml.p3.2xlarge"},
        'training.instance_type = "ml.p3.2xlarge": has GPUs that CUDA 13 dropped, and AWS\'s training image is built for it',
    ),
    (
        {"training__tuning__instance_type": "ml.trn1.2xlarge", "training__encrypt_volume": False},
        'training.tuning.instance_type = "ml.trn1.2xlarge": needs an image of its own kind',
    ),
    ({"training__instance_type": "ml.g5.xlarge"}, f'training.instance_type = "ml.g5.xlarge": {NVME}'),
    (
        {"training__tuning__instance_type": "ml.g4dn.xlarge"},
        f'training.tuning.instance_type = "ml.g4dn.xlarge": {NVME}',
    ),
    (
        {"training__processing__instance_type": "ml.r5d.large"},
        f'training.processing.instance_type = "ml.r5d.large": {NVME}',
    ),
    (
        {"training__spot": {"max_wait_seconds": 3599}},
        "training.spot.max_wait_seconds = 3599: is below training.max_run_seconds = 3600, and the wait includes the run; "
        "raise it to that or more",
    ),
    (
        {"training__tuning__parallel": 7},
        "training.tuning.parallel = 7: is above training.tuning.jobs = 6; lower it, or raise that",
    ),
    (
        {"training__tuning__space": [{"name": "learning_rate", "range": [0.02, 0.02]}]},
        "training.tuning.space[0].range = [0.02, 0.02]: must be the smallest value, then a larger one",
    ),
    (
        {"training__tuning__space": [RATE, {"name": "weight_decay", "range": [0, 0.1], "scale": "logarithmic"}]},
        "training.tuning.space[1].range = [0, 0.1]: has no logarithm at its start; begin above 0, or set scale",
    ),
    (
        {"training__tuning__space": [RATE, RATE]},
        'training.tuning.space[1].name = "learning_rate": stands there twice; keep one of the two',
    ),
    (
        {"training__tuning__space": [{"name": "batch_size"}]},
        'training.tuning.space[0].name = "batch_size": needs either range, as [0.001, 0.1], which is searched in between',
    ),
    (
        {"training__tuning__space": [{"name": "batch_size", "range": [16, 64.5]}]},
        "training.tuning.space[0].range = [16, 64.5]: must be two whole numbers, as batch_size is one",
    ),
    (
        {"training__instance_count": 3, "training__hyperparameters__batch_size": 2},
        "training.hyperparameters.batch_size = 2: is below training.instance_count = 3, so that an instance would have "
        "no picture of it; raise it to that or more",
    ),
    (
        {"training__weights": {**WEIGHTS, "key": "models/resnet50.pth"}},
        'training.weights.key = "models/resnet50.pth": must match ^weights/',
    ),
    (
        {"training__weights": {"key": WEIGHTS["key"]}},
        "training.weights.sha256 is missing (The SHA-256 that the file must have; a job that finds another one ends",
    ),
    (
        {**HEAD, "training__hyperparameters__cutmix": 1},
        'training.hyperparameters.cutmix = 1.0: lays boxes of pictures in others, and with stage = "head" there are '
        "only features; set cutmix = 0.0",
    ),
    (
        {**HEAD, "training__tuning__space": [RATE, ALPHA]},
        'training.tuning.space[1].name = "cutmix": is of no use with stage = "head", which freezes the network; take it',
    ),
    (
        {"training__tuning__space": [RATE, {"name": "label_smoothing", "range": [0.1, 1.5]}]},
        "training.tuning.space[1].range = [0.1, 1.5]: holds 1.5, and label_smoothing must be less than 1; take that out",
    ),
    (
        {"training__tuning__space": [{"name": "batch_size", "values": [0, 32]}]},
        "training.tuning.space[0].values = [0, 32]: holds 0, and batch_size must be greater than or equal to 1; take",
    ),
    (
        {"training__tuning__space": [{"name": "mixup", "values": ["much", 0.2]}]},
        'training.tuning.space[0].values = ["much", 0.2]: holds "much", and mixup must be a valid number; take that out',
    ),
    (
        {"training__hyperparameters__mixup": float("inf")},
        "training.hyperparameters.mixup = inf: must be a finite number",
    ),
    (
        {"training__hyperparameters__stage": "heads"},
        'training.hyperparameters.stage = "heads": must be "finetune", "head" or "both"',
    ),
    ({"training__instance_count": 101}, "training.instance_count = 101: must be less than or equal to 100"),
    ({"training__max_run_seconds": 2_419_201}, "training.max_run_seconds = 2419201: must be less than or equal to"),
    ({"training__minimum_accuracy": 1.1}, "training.minimum_accuracy = 1.1: must be less than or equal to 1"),
]


@pytest.mark.parametrize(("changes", "sentence"), SENTENCES, ids=[sentence.split(":")[0] for _, sentence in SENTENCES])
def test_what_cannot_work_is_refused_in_a_sentence(changes, sentence):
    (fault,) = faults(**changes)
    assert fault.startswith(sentence)


WARNINGS = [
    ({"training__tuning__parallel": 6}, "training.tuning.parallel = 6: starts all training.tuning.jobs = 6 at once"),
    ({"training__instance_type": "ml.t3.medium"}, 'training.instance_type = "ml.t3.medium": is burstable'),
    (
        {"training__weights": {**WEIGHTS, "sha256": "0" * 64}},
        f'training.weights.sha256 = "{"0" * 64}": begins otherwise than training.weights.key says, if 11ad3fa6 is a '
        "hash; take that of the file",
    ),
    (
        {"training__hyperparameters__stage": "both"},
        'training.hyperparameters.stage = "both": freezes random weights, since there is no [training.weights], and a '
        "head on features that nobody trained learns little; add that section, or set stage",
    ),
    (
        {"training__hyperparameters__layer_decay": 0.7},
        "training.hyperparameters.layer_decay = 0.7: holds back what begins from random weights, since there is no "
        "[training.weights]; add that section, or set layer_decay = 1.0",
    ),
    (
        {"training__hyperparameters__freeze_norm": True},
        "training.hyperparameters.freeze_norm = true: holds back what begins from random weights",
    ),
    (
        {**HEAD, "training__hyperparameters__augment": "trivial"},
        'training.hyperparameters.augment = "trivial": has no effect with stage = "head", which freezes the network; '
        'set augment = "crop"',
    ),
    (
        {**BF16, "training__tuning__instance_type": "ml.m7i.xlarge"},
        'training.instance_type = "ml.m5.xlarge": has no units for bf16, so that training.hyperparameters.precision = '
        '"bf16" saves no time on it; set that to "fp32", or choose ml.m7i.xlarge or ml.g5.xlarge',
    ),
    (
        {**BF16, "training__instance_type": "ml.c7i.xlarge"},
        'training.tuning.instance_type = "ml.m5.xlarge": has no units for bf16',
    ),
    (
        {ARCHITECTURE: "torchvision/convnext_tiny"},
        'training.hyperparameters.architecture = "torchvision/convnext_tiny": is built by torchvision, which AWS\'s '
        "training images carry, in version 0.28.0, and this app's own environment does not: here, in the embedded AWS "
        "too, it must be installed. Whether it can be exported to ONNX shows at the end of a training",
    ),
    (
        {ARCHITECTURE: "timm/vit_small_patch16_224.augreg_in21k"},
        'training.hyperparameters.architecture = "timm/vit_small_patch16_224.augreg_in21k": is built by timm, which AWS\'s '
        "training images do not carry, and a job has no network to fetch it: every trial fails at its start",
    ),
]


@pytest.mark.parametrize(("changes", "sentence"), WARNINGS)
def test_what_works_but_likely_not_as_meant_is_warned_about(changes, sentence):
    _, (warning,) = parse_stage(changed(**changes), "config/dev.toml")
    assert warning.startswith(f"config/dev.toml: {sentence}")


@pytest.mark.parametrize(
    "changes",
    [
        {"training__instance_type": "ml.g5.xlarge", "training__encrypt_volume": False},
        {"training__spot": {"max_wait_seconds": 3600}},
        {"training__tuning__jobs": 1, "training__tuning__parallel": 1},
        {"training__instance_count": 3},
        HEAD,
        {ARCHITECTURE: "resnet34"},
        {**HEAD, "training__hyperparameters__mixup": 0.2},
        {"training__weights": {**WEIGHTS, "key": "weights/own.pt", "sha256": "0" * 64}},
        {
            "training__weights": WEIGHTS,
            "training__hyperparameters__stage": "both",
            "training__hyperparameters__layer_decay": 0.7,
            "training__hyperparameters__freeze_norm": True,
            "training__hyperparameters__augment": "trivial",
            "training__hyperparameters__cutmix": 1,
        },
        {
            **BF16,
            "training__encrypt_volume": False,
            "training__instance_type": "ml.g5.xlarge",
            "training__tuning__instance_type": "ml.c7i-flex.xlarge",
        },
    ],
)
def test_what_works_is_let_through_in_silence(changes):
    assert parse_stage(changed(**changes), "config/dev.toml")[1] == []


@pytest.mark.parametrize(
    ("ours", "theirs"), [("TRAINED_TYPES", "TrainingInstanceType"), ("PROCESSED_TYPES", "ProcessingInstanceType")]
)
def test_the_types_are_those_of_the_service(ours, theirs):
    listed = session.get_session().get_service_model("sagemaker").shape_for(theirs).enum
    assert getattr(instances, ours) == set(listed)


@pytest.mark.parametrize(
    ("instance_type", "gpu"),
    [("ml.g5.xlarge", True), ("ml.p4d.24xlarge", True), ("ml.m5.large", False), ("ml.p6-b200.48xlarge", True)],
)
def test_gpus_are_told_by_the_family(instance_type, gpu):
    assert instances.has_gpu(instance_type) is gpu


@pytest.mark.parametrize(
    ("instance_type", "short"),
    [
        ("ml.g5.xlarge", True),
        ("ml.p4d.24xlarge", True),
        ("ml.m7i.large", True),
        ("ml.r8i-flex.large", True),
        ("ml.g4dn.xlarge", False),
        ("ml.m6i.large", False),
        ("ml.c5.xlarge", False),
    ],
)
def test_units_for_short_floats_are_told_by_the_family(instance_type, short):
    assert instances.computes_bf16(instance_type) is short
