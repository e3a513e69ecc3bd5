"""Facts about instance families that rules and stacks go by."""

import re

BURSTABLE_FAMILIES = {"t2", "t3", "t3a", "t4g"}
# Families with local NVMe storage, which a volume key does not cover.
NVME_FAMILIES = {
    *("m5d", "c5d", "r5d", "m6gd", "c6gd", "r6gd", "r7gd", "g4dn", "g5", "g6", "g6e", "p4d", "p4de"),
    *("p5", "p5e", "p5en", "p6-b200", "p6-b300", "p6e-gb200", "g7", "g7e", "p3dn", "trn1", "trn1n", "trn2"),
}
# Graviton: c6g, m7gd, r8g ... but not g5, which starts with its g.
ARM_FAMILY = re.compile(r"[a-z]+[0-9]+g[dn]*")
# What SageMaker hosts endpoints on, family by size, as its API lists them; a test compares.
_HOSTED = {
    "t2": "medium large xlarge 2xlarge",
    "m4": "xlarge 2xlarge 4xlarge 10xlarge 16xlarge",
    "m5 m5d r5 r5d": "large xlarge 2xlarge 4xlarge 12xlarge 24xlarge",
    "c4": "large xlarge 2xlarge 4xlarge 8xlarge",
    "p2": "xlarge 8xlarge 16xlarge",
    "p3": "2xlarge 8xlarge 16xlarge",
    "c5 c5d": "large xlarge 2xlarge 4xlarge 9xlarge 18xlarge",
    "g4dn": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    "inf1": "xlarge 2xlarge 6xlarge 24xlarge",
    "dl1 p4d p4de": "24xlarge",
    "c6i m6i r6i c6in": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge",
    "g5 g6 g6e": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "r8g c8g m8g": "medium large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "g7 g7e": "2xlarge 4xlarge 8xlarge 12xlarge 24xlarge 48xlarge",
    "c7g m6g m6gd c6g c6gd c6gn r6g r6gd": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    "trn1": "2xlarge 32xlarge",
    "trn1n": "32xlarge",
    "trn2 p5e p5en p6-b200 p6-b300": "48xlarge",
    "inf2": "xlarge 8xlarge 24xlarge 48xlarge",
    "p5": "4xlarge 48xlarge",
    "m7i c7i r7i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "r7gd": "medium large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    "p6e-gb200": "36xlarge",
}
HOSTED_TYPES = {
    f"ml.{family}.{size}"
    for families, sizes in _HOSTED.items()
    for family in families.split()
    for size in sizes.split()
}

# What SageMaker runs training and tuning jobs on.
_TRAINED = {
    "m4": "xlarge 2xlarge 4xlarge 10xlarge 16xlarge",
    "m5": "large xlarge 2xlarge 4xlarge 12xlarge 24xlarge",
    "c4": "xlarge 2xlarge 4xlarge 8xlarge",
    "c5 c5n": "xlarge 2xlarge 4xlarge 9xlarge 18xlarge",
    "r5 r5d": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge",
    "m6i r6i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge",
    "c6i": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge",
    "m7i c7i r7i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "m8i r8i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge 48xlarge 96xlarge",
    "c8i": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge 48xlarge 96xlarge",
    "m7i-flex m8i-flex r8i-flex": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    "c7i-flex c8i-flex g4dn": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    "t3": "medium large xlarge 2xlarge",
    "g5 g6 g6e": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "g7 g7e": "2xlarge 4xlarge 8xlarge 12xlarge 24xlarge 48xlarge",
    "p2": "xlarge 8xlarge 16xlarge",
    "p3": "2xlarge 8xlarge 16xlarge",
    "p3dn p4d p4de": "24xlarge",
    "p5": "4xlarge 48xlarge",
    "p5e p5en p6-b200 p6-b300 trn2": "48xlarge",
    "p6e-gb200": "36xlarge",
    "trn1": "2xlarge 32xlarge",
    "trn1n": "32xlarge",
}
TRAINED_TYPES = {
    f"ml.{family}.{size}"
    for families, sizes in _TRAINED.items()
    for family in families.split()
    for size in sizes.split()
}
_NOT_PROCESSED = "c5n p3dn p4d p4de p5e p5en p6-b200 p6-b300 p6e-gb200 trn1 trn1n trn2"
PROCESSED_TYPES = {
    kind for kind in TRAINED_TYPES - {"ml.p5.48xlarge"} if kind.split(".")[1] not in _NOT_PROCESSED.split()
}
# CUDA 13 dropped the GPUs of these (Volta and older).
TOO_OLD_FOR_CUDA_13 = {"p2", "p3", "p3dn"}
# Trainium, which CUDA does not drive, and Grace, which is Arm.
WITHOUT_TRAINING_IMAGE = {"trn1", "trn1n", "trn2", "p6e-gb200"}
_GPU_FAMILY = re.compile(r"[gp][0-9].*")
BEFORE_AMPERE = {*TOO_OLD_FOR_CUDA_13, "g4dn"}
_AMX_FAMILY = re.compile(r"[cmr][78]i(-flex)?")


def has_gpu(instance_type: str) -> bool:
    return bool(_GPU_FAMILY.fullmatch(family(instance_type)))


def computes_bf16(instance_type: str) -> bool:
    """GPUs from Ampere on have units for it, and Intel's processors from Sapphire Rapids on."""
    own = family(instance_type)
    return own not in BEFORE_AMPERE if has_gpu(instance_type) else bool(_AMX_FAMILY.fullmatch(own))


def family(instance_type: str) -> str:
    """ "m5" of "ml.m5.large" and of "m5.large"."""
    return instance_type.removeprefix("ml.").split(".")[0]


GPU_FAMILIES = {
    *("p2", "p3", "p3dn", "p4d", "p4de", "p5", "p5e", "p5en", "p6-b200"),
    *("g3", "g3s", "g4dn", "g5", "g6", "g6e", "gr6"),
}
# Kepler, Maxwell and Volta: no CUDA 13, and no open driver, which begins with Turing.
PRE_TURING_FAMILIES = {"p2", "p3", "p3dn", "g3", "g3s"}
# As the API's own list of types for notebook instances has them; ml.m5.large, say, is none.
NOTEBOOK_SIZES = {
    "c4": "xlarge 2xlarge 4xlarge 8xlarge",
    "c5": "xlarge 2xlarge 4xlarge 9xlarge 18xlarge",
    "c5d": "xlarge 2xlarge 4xlarge 9xlarge 18xlarge",
    "c6i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge",
    "c6id": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge",
    "c7i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "g4dn": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    "g5": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "g6": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "g6e": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "g7e": "2xlarge 4xlarge 8xlarge 12xlarge 24xlarge 48xlarge",
    "inf1": "xlarge 2xlarge 6xlarge 24xlarge",
    "inf2": "xlarge 8xlarge 24xlarge 48xlarge",
    "m4": "xlarge 2xlarge 4xlarge 10xlarge 16xlarge",
    "m5": "xlarge 2xlarge 4xlarge 12xlarge 24xlarge",
    "m5d": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge",
    "m6i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge",
    "m6id": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge",
    "m7i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "p2": "xlarge 8xlarge 16xlarge",
    "p3": "2xlarge 8xlarge 16xlarge",
    "p3dn": "24xlarge",
    "p4d": "24xlarge",
    "p4de": "24xlarge",
    "p5": "4xlarge 48xlarge",
    "p5en": "48xlarge",
    "p6-b200": "48xlarge",
    "r5": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge",
    "r6i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge",
    "r6id": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge",
    "r7i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "t2": "medium large xlarge 2xlarge",
    "t3": "medium large xlarge 2xlarge",
    "trn1": "2xlarge 32xlarge",
    "trn1n": "32xlarge",
}
