"""What goes with what: rules that concern more than one key of a stage file.

Each yields faults (the stage cannot work) or warnings (it works, but likely not as meant). A rule names the sections
that it reads; it is skipped while one of them does not even have the right shape.
"""

from config.rules import (
    api,
    hosting_modes,
    hyperparameters,
    image,
    network,
    operations,
    rollout,
    serving,
    stage,
    training,
    variants,
    workbench,
)
from config.rules.table import RULES, Finding, check, toml

__all__ = [
    "RULES",
    "Finding",
    "api",
    "check",
    "hosting_modes",
    "hyperparameters",
    "image",
    "network",
    "operations",
    "rollout",
    "serving",
    "stage",
    "toml",
    "training",
    "variants",
    "workbench",
]
