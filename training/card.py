"""The starter model's card: what it is, what it was measured to do, what not to use it for."""

from typing import Any

from training.synthetic import SyntheticSet


def model_card(metadata: dict[str, Any], drawn: SyntheticSet, archive_sha256: str, flags: str) -> str:
    """The text of MODEL_CARD.md, every number of it from model.json."""
    metrics, counts, size = metadata["metrics"], metadata["data"], metadata["input"]
    best = {split: drawn.best_accuracy(split) for split in ("valid", "test")}
    rows = [
        f"| {remark} | {metrics[split]['samples']} | {metrics[split]['accuracy']:.4f} | {best[split]:.4f} "
        f"| {metrics[split]['macro_f1']:.4f} | {metrics[split]['loss']:.4f} "
        f"| {metrics[split]['calibration_error']:.4f} | {metrics[split]['uncalibrated']['calibration_error']:.4f} |"
        for split, remark in (
            ("valid", f"validation, chose epoch {metrics['best_epoch']}"),
            ("test", "test, read once, at the end"),
        )
    ]
    table = "\n".join(rows)
    return f"""# Model card: {metadata["version"]}

The model that a first deploy serves, so that the endpoint answers before anybody has trained anything.
This page is written by `python -m training.starter --write`; edit `training/card.py` instead.

| | |
|---|---|
| What it does | names the one figure or texture in a picture: {", ".join(metadata["labels"])} |
| Network | {metadata["architecture"]}, input {size["height"]} x {size["width"]} pixels, trained from random weights |
| File | `model.tar.gz`, SHA-256 `{archive_sha256}` |
| Retrain and compare | `python -m training.starter` (`make starter-model`): within half a point of test accuracy |
| Flags | `{flags}` |
| Framework | torch {metadata["framework"]["torch"]}, ONNX opset {metadata["framework"]["onnx_opset"]} |
| Licence | Apache-2.0, as the repository; no outside data, no outside weights |

## Data

{counts["train"]} training, {counts["valid"]} validation and {counts["test"]} test pictures, drawn by
`training/synthetic.py` from seed {drawn.seed} (SHA-256 of the set: `{counts["sha256"]}`):
ten classes in equal numbers, with changing colours, light, place, size and rotation, an object in front of half of
them, blur, sensor noise and JPEG compression.

Exactly {drawn.label_noise:.0%} of each split carries a wrong label, drawn at random, as hand-made labels do. A perfect
eye is therefore right on {best["test"]:.2%} of the test split; nothing but luck gets beyond.

## Measured

| Split | Pictures | Accuracy | Best possible | Macro-F1 | Cross-entropy | Calibration error | ... as trained |
|---|---|---|---|---|---|---|---|
{table}

{_calibration(metadata["temperature"])} {_eight_bits(metadata["int8"])}

Largest difference between PyTorch's and ONNX Runtime's logits: {metrics["onnx_difference"]:g}.

`samples/` holds one picture of each class, drawn from another seed and not chosen by how the model does on them.

## Limits

- It knows drawn figures on plain grounds. Photographs, several figures in one picture, other figures: it answers with
  one of its ten labels all the same.
- How sure it says to be holds for pictures such as these, wrong labels among them, and for no others.
- It is a stand-in to try the system with. Replace it by a model of your own before anybody relies on an answer.
"""


def _calibration(temperature: float) -> str:
    if temperature == 1:
        return "The temperature stays 1: that of the least cross-entropy calibrates worse, which wrong labels cause."
    return f"The temperature, fitted on the validation pictures, is {temperature:g}."


def _eight_bits(verdict: dict[str, Any]) -> str:
    if not verdict["kept"]:
        return f"There is no network in 8 bits: {verdict['reason']}."
    return (
        f"In 8 bits (`model.int8.onnx`) it names {verdict['accuracy']:.4f} of the validation pictures rightly, "
        f"in 32 bits {verdict['fp32_accuracy']:.4f}."
    )
