"""What each step's jobs read and write of the stage's bucket, and nothing beside it."""

from config.sections.training import Training
from stacks.constructs.buckets import DATASET_PREFIX, MODELS_PREFIX, RUNS_PREFIX
from stacks.constructs.job_role import PROCESSING, TRAINING, TUNING, JobData, JobKind
from stacks.constructs.pipeline_steps import CHANNELS_OF_A_TRIAL, freezes, splits_of_a_trial


def steps_of(config: Training) -> dict[str, tuple[JobKind, JobData]]:
    """Step -> how SageMaker calls its jobs, and what they read and write of the stage's bucket."""
    weights = [config.weights.key] if config.weights else []
    features = [f"{RUNS_PREFIX}/*/features"] if freezes(config) else []
    pictures = {split: f"{RUNS_PREFIX}/*/data/{split}" for split in (*CHANNELS_OF_A_TRIAL, "test")}
    found = {
        "Prepare": (PROCESSING, JobData(reads=[DATASET_PREFIX], writes=[f"{RUNS_PREFIX}/*/data"])),
        "Features": (
            PROCESSING,
            JobData(reads=[pictures[split] for split in CHANNELS_OF_A_TRIAL], writes=features, files=weights),
        ),
        "Tune": (
            TUNING,
            JobData(
                reads=[*(pictures[split] for split in splits_of_a_trial(config)), *features],
                writes=[f"{RUNS_PREFIX}/*/trials"],
                resumes=[f"{RUNS_PREFIX}/*/checkpoints/tune"],
                files=weights,
            ),
        ),
        "Train": (
            TRAINING,
            JobData(
                reads=[f"{RUNS_PREFIX}/*/data", *features],
                writes=[f"{RUNS_PREFIX}/*/training"],
                resumes=[f"{RUNS_PREFIX}/*/checkpoints/train"],
                files=weights,
            ),
        ),
        "Evaluate": (
            PROCESSING,
            JobData(
                # models/ too: a promotion has the live model scored on the pictures that the new one was judged by.
                # trials/ too: a comparison has a tuning's best trial scored, which saw no test picture.
                reads=[pictures["test"], f"{RUNS_PREFIX}/*/training", f"{RUNS_PREFIX}/*/trials", MODELS_PREFIX],
                writes=[f"{RUNS_PREFIX}/*/evaluation", MODELS_PREFIX],
            ),
        ),
    }
    return found if freezes(config) else {step: kind for step, kind in found.items() if step != "Features"}
