"""How the network is trained: each key is a flag of training/train.py, which a tuner may vary instead."""

from typing import Annotated, Literal

from pydantic import Field

from config.sections.section import Section

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
ShareBelowOne = Annotated[float, Field(ge=0, lt=1)]


class Hyperparameters(Section):
    architecture: Annotated[str, Field(pattern=r"^[A-Za-z0-9_./-]{1,100}$")]
    """The network: small_cnn, resnet18, resnet34, resnet50, or another library's as torchvision/NAME or timm/NAME."""
    stage: Literal["finetune", "head", "both"]
    """What is trained: all weights, a head on the features of the frozen network, or the one after the other."""
    input_size: Annotated[int, Field(ge=16, le=1_024)]
    """Side of the network's input in pixels."""
    normalise: Literal["auto", "imagenet", "data"]
    """Whose mean and deviation centre the pictures; auto: ImageNet's with training.weights, else the data's own."""
    epochs: Annotated[int, Field(ge=1, le=10_000)]
    """Passes over the training pictures; the best of them on the validation pictures is kept."""
    batch_size: Annotated[int, Field(ge=1, le=65_536)]
    """Pictures in one step of the optimisation, over all instances together."""
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """The highest rate, at the head."""
    weight_decay: Amount
    """AdamW's: how strongly weights are drawn to 0, against learning by heart."""
    warm_up: Annotated[float, Field(gt=0, lt=1)]
    """Share of all steps in which the rate rises; then it falls along a cosine."""
    layer_decay: Annotated[float, Field(gt=0, le=1)]
    """Each block's rate is this times that of the block behind it; 1 is one rate for all."""
    clip_norm: Amount
    """Longest gradient of a step; 0 is any."""
    freeze_norm: bool
    """Whether batch norm keeps the statistics that its weights came with."""
    flip: bool
    """Whether half of the training pictures are mirrored; false where left and right differ in meaning."""
    augment: Literal["crop", "trivial"]
    """What is done to training pictures: crops in the margin, or TrivialAugment as well."""
    label_smoothing: ShareBelowOne
    """Share of each label that is spread over all classes."""
    mixup: Amount
    """MixUp's alpha: pictures, or with stage "head" their features, are laid over each other; 0 is none."""
    cutmix: Amount
    """CutMix's alpha: a box of one picture is laid in another; 0 is none. With both, each batch draws one."""
    ema: ShareBelowOne
    """Decay of the averaged weights that are scored and kept; 0 is none."""
    precision: Literal["fp32", "bf16"]
    """Floats of 32 bits, or of 16 where that is safe."""
    seed: Annotated[int, Field(ge=0, le=2_147_483_647)]
    """Where every random choice begins; the same seed repeats a run."""
