"""Whether a version may take the live model's place: both scored on the same test pictures, neither score lower."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from ops.console import Steps
from ops.models.card import Card, read_card
from ops.models.live import STARTER
from ops.models.registry import Version
from ops.models.scoring import LiveScore
from ops.stage import Stage

COMPARED = ("accuracy", "macro_f1")
SHOWN_LABELS = 3


@dataclass(frozen=True)
class Verdict:
    passes: bool
    sentence: str
    version: dict[str, float]
    """Its scores."""
    live: dict[str, float]
    samples: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def judge(stage: Stage, version: Version, live_artifact: str, steps: Steps) -> Verdict:
    """Costs a short job where the two were not judged by the same pictures."""
    bucket = stage.output("data", "BucketName")
    s3 = stage.client("s3")
    card = read_card(s3, version.url, version.evaluation_url)
    unfit = _unfit(stage, version, card)
    if unfit:
        return Verdict(False, unfit, scores_of(card.scores), {})
    if live_artifact == version.artifact:
        return Verdict(True, "It is the model that is live.", scores_of(card.scores), scores_of(card.scores))
    if live_artifact == STARTER:
        said = "The starter model is live, which names shapes to have something to serve: there is nothing to compare."
        return Verdict(True, said, scores_of(card.scores), {})
    live = read_card(s3, f"s3://{bucket}/{live_artifact}")
    return _compared(version, card, live, lambda: _scored(stage, version, live_artifact, steps))


def _unfit(stage: Stage, version: Version, card: Card) -> str:
    """Why an endpoint with it would not start."""
    verdict = card.metadata.get("int8", {"kept": False, "reason": "its training did not try"})
    if stage.config.serving.precision == "int8" and not verdict.get("kept"):
        return (
            f'serving.precision = "int8", and version {version.number} has no network in 8 bits '
            f'({verdict.get("reason")}): its endpoint would not start; set "fp32".'
        )
    return ""


def _compared(version: Version, card: Card, live: Card, scored: Callable[[], dict[str, Any] | str]) -> Verdict:
    mine = scores_of(card.scores)
    if card.labels != live.labels:
        return Verdict(False, _other_labels(version, card.labels, live.labels), mine, {})
    if card.data_sha256 and card.data_sha256 == live.data_sha256:
        # The same way of scoring for both: what each training found on its test split.
        mine, theirs = (scores_of(one.metadata.get("metrics", {}).get("test", {})) for one in (card, live))
        return weigh(version, mine, theirs, int(card.scores.get("samples", 0)))
    found = scored()
    if isinstance(found, str):
        return Verdict(False, found, mine, {})
    return weigh(version, mine, scores_of(found), int(found.get("samples", 0)))


def _scored(stage: Stage, version: Version, live_artifact: str, steps: Steps) -> dict[str, Any] | str:
    """The live model's evaluation on the version's test pictures, or why there is none."""
    scoring = LiveScore(stage, version, live_artifact)
    if not scoring.pictures_are_there():
        return (
            f"The live model was judged by other pictures than version {version.number}, whose own are not in the "
            f"bucket any more (data.run_days = {stage.config.data.run_days}): train again, and both can be scored."
        )
    with steps.step("Score the live model on the new one's test pictures") as remark:
        found = scoring.result()
        remark.text = f"{found['samples']} pictures, accuracy {found['accuracy']:.4f}"
    return found


def weigh(version: Version, mine: dict[str, float], theirs: dict[str, float], samples: int) -> Verdict:
    missing = [name for name in COMPARED if name not in mine or name not in theirs]
    if missing:
        said = f"There is no {' and no '.join(missing)} of both models on the same pictures: train again."
        return Verdict(False, said, mine, theirs, samples)
    lower = [name for name in COMPARED if mine[name] < theirs[name]]
    numbers = ", ".join(f"{_word(name)} {mine[name]:.4f} against {theirs[name]:.4f}" for name in COMPARED)
    if lower:
        said = f"Version {version.number} is worse than the live model on the same {samples} test pictures: {numbers}."
    else:
        said = f"Not worse than the live model on the same {samples} test pictures: {numbers}."
    return Verdict(not lower, said, mine, theirs, samples)


def scores_of(found: dict[str, Any]) -> dict[str, float]:
    return {name: float(found[name]) for name in COMPARED if name in found}


def _word(name: str) -> str:
    return name.replace("_f1", "-F1").replace("_", " ")


def _other_labels(version: Version, mine: list[str], theirs: list[str]) -> str:
    gone, new = [one for one in theirs if one not in mine], [one for one in mine if one not in theirs]
    told = [f"{word} {_some(names)}" for word, names in (("without", gone), ("with", new)) if names]
    told = told or ["in another order"]
    return (
        f"Version {version.number} names other classes than the live model ({', '.join(told)}), so that their scores "
        "do not compare, and callers will meet other labels."
    )


def _some(names: list[str]) -> str:
    more = len(names) - SHOWN_LABELS
    return ", ".join(names[:SHOWN_LABELS]) + (f" and {more} more" if more > 0 else "")
