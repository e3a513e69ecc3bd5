"""What drives the optimisation: each is a flag of training, and a hyperparameter of a job."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Hyperparameters:
    """What a tuner may vary, and what a retraining repeats."""

    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 0.004
    weight_decay: float = 0.02
    warm_up: float = 0.15
    layer_decay: float = 1.0
    clip_norm: float = 0.0
    label_smoothing: float = 0.0
    flip: bool = True
    augment: str = "crop"
    mixup: float = 0.0
    cutmix: float = 0.0
    ema: float = 0.0
    freeze_norm: bool = False
    precision: str = "fp32"
    seed: int = 1
