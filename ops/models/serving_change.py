"""From one served model to another: the stage file's two lines, the diff of that and only that, and the deploy."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ops.console import Steps
from ops.errors import Refused
from ops.models.change import Assembly, StageChange, settled
from ops.models.live import Live
from ops.models.stage_file import Promoted, checked, with_model, write
from ops.stage import Stage

SHOWN = 6


@dataclass(frozen=True)
class Changed:
    stage_file: Path
    diff: str
    other_changes: list[str]
    deployed: bool


@dataclass(frozen=True)
class ServingChange:
    stage: Stage
    steps: Steps

    @property
    def path(self) -> Path:
        return self.stage.folder / f"{self.stage.name}.toml"

    def make(
        self,
        wanted: Promoted,
        before: Promoted,
        *,
        decide: Callable[[], None],
        deploy: bool,
        with_other_changes: bool,
    ) -> Changed:
        """`decide` tells the registry, when nothing refuses the change any more and nothing is changed yet.

        Run again, it goes on: a file that says so is left alone, a deploy that is through changes nothing.
        """
        text = self.path.read_text(encoding="utf-8")
        target = with_model(text, wanted)
        checked(target, self.path)
        with StageChange(self.stage, self.steps) as change:
            as_deployed = change.synthesized(
                with_model(text, before), "before", "Synthesize what is deployed", looked_at=False
            )
            others = change.other_changes(as_deployed)
            if others and deploy and not with_other_changes:
                raise Refused(
                    f"The checkout differs from what is deployed in more than the model ({some(others)}), which this "
                    "deploy would take along: deploy that first, or say --with-other-changes."
                )
            decide()
            if target != text:
                write(self.path, target)
            assembly = change.synthesized(target, "after", "Synthesize it with the other model")
            diff = change.diff(assembly)
            if deploy:
                self._deploy(change, assembly, wanted)
        return Changed(self.path, diff, others, deploy)

    def _deploy(self, change: StageChange, assembly: Assembly, wanted: Promoted) -> Live:
        change.deploy(assembly, f"Deploy version {wanted.version}")
        return settled(self.stage, wanted.artifact)


def some(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
