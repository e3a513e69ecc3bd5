"""Facts about instance families that rules and stacks go by."""

import re

BURSTABLE_FAMILIES = {"t2", "t3", "t3a", "t4g"}
# Families with local NVMe storage, which a volume key does not cover.
NVME_FAMILIES = {
    *("m5d", "c5d", "r5d", "m6gd", "c6gd", "r6gd", "r7gd", "g4dn", "g5", "g6", "g6e", "p4d", "p4de"),
    *("p5", "p5e", "p5en", "trn1", "trn1n"),
}
# Graviton: c6g, m7gd, r8g ... but not g5, which starts with its g.
ARM_FAMILY = re.compile(r"[a-z]+[0-9]+g[dn]*")


def family(instance_type: str) -> str:
    """ "m5" of "ml.m5.large" and of "m5.large"."""
    return instance_type.removeprefix("ml.").split(".")[0]
