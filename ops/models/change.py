"""A change of a stage on its way to its stacks: synthesized, shown as a diff, deployed, and looked at where it serves.

What is deployed is the assembly whose diff was shown. A deploy that is interrupted goes on in CloudFormation; the next
one waits for it.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ops import cdk
from ops.console import Steps
from ops.errors import WorkFailed
from ops.models.live import Live, live
from ops.stage import Stage

LOGS = cdk.ROOT / ".whippet" / "logs"


@dataclass(frozen=True)
class Assembly:
    """What the app makes of a stage file's text."""

    folder: Path

    def template(self, stack: str) -> dict[str, Any]:
        return dict(json.loads((self.folder / f"{stack}.template.json").read_text()))


class StageChange:
    """Concerns these stacks and no others, so that nothing else goes along with it."""

    def __init__(self, stage: Stage, steps: Steps, rooms: Sequence[str] = ("serving",)) -> None:
        self._stage, self._steps = stage, steps
        self._stacks = [stage.names.stack(room) for room in rooms if stage.find(room) is not None]
        # Of this change's own: two people may change two stages at a time.
        self._scratch = Path(tempfile.mkdtemp(prefix="whippet-"))

    def close(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)

    def __enter__(self) -> "StageChange":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def _environment(self) -> dict[str, str]:
        kept = dict(self._stage.account.environment)
        return kept | {"CDK_DISABLE_CLI_TELEMETRY": "true", "NO_COLOR": "1"}

    def synthesized(self, text: str, name: str, title: str, *, looked_at: bool = True) -> Assembly:
        """`looked_at`: by the checks of every synthesis, which what is deployed already has passed."""
        stages, out = self._scratch / f"{name}-stages", self._scratch / name
        stages.mkdir(exist_ok=True)
        (stages / f"{self._stage.name}.toml").write_text(text)
        words = ["synth", "--quiet", "--output", str(out)]
        with self._steps.step(title):
            more = {} if looked_at else {"CDK_VALIDATION": "false"}
            self._cdk([*words, "-c", f"stage={self._stage.name}", "-c", f"stages={stages}"], f"synth-{name}", more=more)
        return Assembly(out)

    def other_changes(self, assembly: Assembly) -> list[str]:
        """Resources and outputs in which what is deployed differs from this assembly, as STACK/LogicalId."""
        found = []
        cloudformation = self._stage.client("cloudformation")
        for stack in self._stacks:
            deployed = cloudformation.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]
            found += [f"{stack}/{name}" for name in differing(deployed, assembly.template(stack))]
        return found

    def diff(self, assembly: Assembly) -> str:
        words = ["diff", *self._stacks, "--exclusively", "--method", "template", "--app", str(assembly.folder)]
        return without_preamble(self._cdk(words, "diff").read_text())

    def deploy(self, assembly: Assembly, title: str) -> None:
        """CdkError with CloudFormation's last words where it did not come through."""
        words = ["deploy", *self._stacks, "--exclusively", "--require-approval", "never", "--app", str(assembly.folder)]
        follower = Rollout(self._stage, self._steps)
        with self._steps.step(title):
            self._cdk(words, "deploy", follower.look)

    def _cdk(
        self,
        words: list[str],
        name: str,
        meanwhile: Callable[[], None] = lambda: None,
        more: Mapping[str, str] | None = None,
    ) -> Path:
        log = LOGS / f"{name}-{self._stage.name}.log"
        cdk.run(words, environment=self._environment | dict(more or {}), log=log, meanwhile=meanwhile)
        return log


class Rollout:
    """Says how an endpoint moves while a deploy runs: a line for each change and none for the waiting."""

    def __init__(self, stage: Stage, steps: Steps) -> None:
        self._stage, self._steps = stage, steps
        self._endpoint = stage.output("serving", "EndpointName")
        self._sagemaker = stage.client("sagemaker")
        self._next, self._said, self._began = 0.0, "InService", time.monotonic()

    def look(self) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._stage.account.poll_seconds
        said = told(self._sagemaker.describe_endpoint(EndpointName=self._endpoint))
        if said != self._said:
            self._said = said
            self._steps.done(f"  endpoint: {said}", round(time.monotonic() - self._began, 2))


def told(endpoint: dict[str, Any]) -> str:
    """An endpoint's state in a line: its status, and of an update the new fleet's instances and what they do."""
    pending = endpoint.get("PendingDeploymentSummary", {}).get("ProductionVariants", [])
    parts = [str(endpoint["EndpointStatus"])]
    for one in pending:
        doing = [state["Status"] for state in one.get("VariantStatus", [])]
        share = f", {one['CurrentWeight']:g} of the traffic's weight" if one.get("CurrentWeight") else ""
        counts = f"{one.get('CurrentInstanceCount', 0)} of {one.get('DesiredInstanceCount', 0)} new instances"
        parts.append(f"{one['VariantName']} {counts}{share}{''.join(f', {word}' for word in doing)}")
    return "; ".join(parts)


def settled(stage: Stage, artifact: str) -> Live:
    """What serves after a deploy. SageMaker can go back to the old model by itself and call itself in service."""
    found = live(stage)
    if found.artifact != artifact:
        reason = stage.client("sagemaker").describe_endpoint(EndpointName=found.endpoint).get("FailureReason", "")
        raise WorkFailed(
            f"{found.endpoint} still serves {found.artifact}: the deploy is through, and SageMaker has gone back to "
            f"the old model by itself. {reason}".rstrip()
        )
    return found


def differing(deployed: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    names = []
    for part in ("Resources", "Outputs"):
        ours, theirs = wanted.get(part, {}), deployed.get(part, {})
        names += sorted(name for name in {*ours, *theirs} if meant(ours.get(name)) != meant(theirs.get(name)))
    return names


def meant(body: Any) -> Any:  # noqa: ANN401 - a resource as the template has it
    """Without what the CDK notes down for its own tools: paths in the construct tree, of assets."""
    if not isinstance(body, dict) or "Metadata" not in body:
        return body
    kept = {key: value for key, value in body["Metadata"].items() if not key.startswith("aws:")}
    return {**body, "Metadata": kept} if kept else {key: value for key, value in body.items() if key != "Metadata"}


def without_preamble(said: str) -> str:
    """From the first stack on: what Node has to say of its own age comes before it."""
    lines = said.splitlines()
    begin = next((number for number, line in enumerate(lines) if line.startswith(("Stack ", "start:"))), 0)
    return "\n".join(lines[begin:]).strip()
