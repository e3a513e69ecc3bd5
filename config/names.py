"""Every name that we choose ourselves; CloudFormation generates all others, so that nothing collides.

Chosen are: what CloudFormation demands a name for, and the endpoint's and variant's, which must outlive any update.
"""

from dataclasses import dataclass

VARIANT = "primary"
SHADOW = "shadow"
"""The shadow variant's name, which its metrics and captures carry."""
CLASSIFIER = "classifier"
"""The container that serves the model, among others of an inference pipeline."""
ALIAS = "live"
"""The predict function's alias: what the API calls, and what provisioned concurrency belongs to."""
SCALING_POLICY = "track-load"
"""A scaling policy's name is unique within its target only, so that one name serves every target."""
WAKE_POLICY = "wake"
"""The policy that starts the first instance of an endpoint that sleeps."""


@dataclass(frozen=True)
class Names:
    project: str
    stage: str

    def stack(self, room: str) -> str:
        return f"{self.project}-{self.stage}-{room}"

    def endpoint(self, mode: str) -> str:
        # The mode is part of the name, since an endpoint cannot change it and a replacement needs another name.
        return f"{self.project}-{self.stage}-{mode}"

    @property
    def model_group(self) -> str:
        return f"{self.project}-{self.stage}-models"

    @property
    def trail(self) -> str:
        # Its bucket's and its key's policy name the trail, before there is one.
        return f"{self.project}-{self.stage}-trail"

    @property
    def pipeline(self) -> str:
        return f"{self.project}-{self.stage}-training"

    @property
    def own_jobs(self) -> str:
        """How the names of training jobs begin that people start themselves."""
        return f"{self.project}-{self.stage}-"

    @property
    def notebook_tuning(self) -> str:
        """How the names of tuning jobs begin that are started from the notebook; SageMaker takes 32 characters."""
        return f"{f'{self.project}-{self.stage}'[:20].rstrip('-')}-nb"
