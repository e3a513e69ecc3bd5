"""What a training's model does on the test pictures where the training itself saw none, as no tuning's trial does."""

from dataclasses import asdict, dataclass
from typing import Any

from ops.errors import WorkFailed
from ops.prices import dollars
from ops.stage import Stage
from ops.work.definition import Json
from ops.work.following import follow
from ops.work.jobs import PROCESSING, Job, described, is_own_name
from ops.work.prepared import inputs
from ops.work.scoring import Scoring


@dataclass(frozen=True)
class HeldOut:
    """None: not known, and `remark` says why."""

    accuracy: float | None = None
    macro_f1: float | None = None
    remark: str = ""
    job: str | None = None
    """That scored it, beside the training; with what it cost."""
    billed_seconds: float | None = None
    dollars: float | None = None

    def told(self) -> str:
        """Whatever there is to say."""
        if self.accuracy is None or self.macro_f1 is None:
            return self.how()
        return f"accuracy {self.accuracy:.4f}, macro-F1 {self.macro_f1:.4f}, {self.how()}"

    def how(self) -> str:
        """It came about, or why it did not."""
        if self.accuracy is None:
            return f"not known: {self.remark}"
        if self.job is None:
            return "scored by a job that SageMaker remembers no more"
        return f"scored by {self.job}, {self.billed_seconds or 0:.0f} s billed, {dollars(self.dollars, 4)} USD"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def held_out(stage: Stage, job: Job, *, start: bool | None, returning: str) -> HeldOut:
    """Of a training job; one that scores is started where none has, and with `start` also where one has failed.

    `returning` is the command that has it scored, and that goes on from there after a Ctrl-C.
    """
    if job.status != "Completed":
        return HeldOut(remark=f"its training is {job.status}")
    scoring = scoring_of(stage, job)
    if scoring is None:
        return HeldOut(remark="its pictures are not known any more")
    found = scoring.known()
    if found is not None:
        return _told(stage, scoring, found)
    if start is False:
        return HeldOut(remark=f"a short processing job would score it: `{returning} --stage {stage.name}`")
    remark = _why_not(scoring, again=bool(start))
    return HeldOut(remark=remark) if remark else _scored(stage, scoring, returning)


def scoring_of(stage: Stage, job: Job) -> Scoring | None:
    prepared = prepared_for(stage, job.document)
    if prepared is None:
        return None
    run = job.document["OutputDataConfig"]["S3OutputPath"].rstrip("/").rsplit("/", 1)[0]
    model = job.document.get("ModelArtifacts", {}).get("S3ModelArtifacts", "")
    return Scoring(stage, model, prepared, f"{run}/evaluation/{job.name}")


def prepared_for(stage: Stage, training: Json) -> str | None:
    """The data set that it learnt from. A trial of a head has features of it alone."""
    channels = {
        one["ChannelName"]: one["DataSource"]["S3DataSource"]["S3Uri"].rstrip("/")
        for one in training.get("InputDataConfig", [])
    }
    if "train" in channels:
        return channels["train"].removesuffix("/train")
    if "features" not in channels:
        return None
    run = channels["features"].removesuffix("/features")
    name = run.rsplit("/", 1)[-1]
    if not is_own_name(stage, name):
        return f"{run}/data"
    # A job of ours computed them, of what another had prepared.
    found = described(stage.client("sagemaker"), PROCESSING, name)
    return inputs(found.document)["train"].rstrip("/").removesuffix("/train")


def _why_not(scoring: Scoring, *, again: bool) -> str:
    kept = f"kept for data.run_days = {scoring.stage.config.data.run_days}"
    if not scoring.model_is_there():
        return f"its model is not in the bucket: {kept}, and of a trial by the pipeline as it is deployed now"
    if not scoring.pictures_are_there():
        return f"its test pictures are not in the bucket any more: {kept}"
    failed = scoring.job("Failed")
    if failed is not None and not again:
        return f"the job {failed.name}, which was to score it, failed: {failed.reason}; once more with --score"
    return ""


def _scored(stage: Stage, scoring: Scoring, returning: str) -> HeldOut:
    name = scoring.under_way()
    try:
        follow(stage, PROCESSING, name, returning=returning, telling=False)
    except WorkFailed as failed:
        return HeldOut(remark=str(failed).splitlines()[0])
    found = scoring.known()
    if found is None:
        return HeldOut(remark=f"the job {name} has left nothing in {scoring.output}/")
    return _told(stage, scoring, found)


def _told(stage: Stage, scoring: Scoring, found: Json) -> HeldOut:
    job = scoring.job("Completed")
    price = (job.name, job.billed_seconds, job.dollars(stage.prices)) if job else (None, None, None)
    return HeldOut(float(found["accuracy"]), float(found["macro_f1"]), "", *price)
