"""Several models or containers behind one endpoint."""

from collections.abc import Iterator

from config.names import CLASSIFIER, SHADOW, VARIANT
from config.registries import ecr_repository
from config.rules.table import Finding, rule
from config.sections.serving import Serving
from config.sections.stage import Stage
from config.sections.variants import Container

MOST_CONTAINERS = 15


@rule("serving")
def variants_share_the_requests(serving: Serving) -> Iterator[Finding]:
    total = sum(variant.weight_percent for variant in serving.variants)
    if total >= 100:  # noqa: PLR2004  (percent)
        message = "add up to 100 or more, which leaves the first model no requests; lower them"
        yield Finding("serving.variants.weight_percent", [one.weight_percent for one in serving.variants], message)
    taken = {VARIANT, SHADOW}
    for number, variant in enumerate(serving.variants):
        if variant.name in taken:
            yield Finding(f"serving.variants.{number}.name", variant.name, "is taken by another variant; rename it")
        taken.add(variant.name)


@rule("serving")
def a_shadow_has_one_model_to_follow(serving: Serving) -> Iterator[Finding]:
    if serving.shadow is None:
        return
    if serving.variants:
        message = "a shadow follows a single variant; remove them or [serving.shadow]"
        yield Finding("serving.variants", [one.name for one in serving.variants], message)
    if serving.pipeline is not None and containers(serving):
        message = "a shadow goes with a single container; remove [serving.pipeline] or [serving.shadow]"
        yield Finding("serving.pipeline", [one.name for _, one in containers(serving)], message)


def containers(serving: Serving) -> list[tuple[str, Container]]:
    """Every container beside the classifier, with its key."""
    if serving.pipeline is None:
        return []
    sides = {"before": serving.pipeline.before, "after": serving.pipeline.after}
    return [(f"serving.pipeline.{side}.{n}", one) for side, found in sides.items() for n, one in enumerate(found)]


@rule("serving")
def a_pipeline_has_2_to_15_containers(serving: Serving) -> Iterator[Finding]:
    if serving.pipeline is None:
        return
    found = containers(serving)
    names = [one.name for _, one in found]
    if not found:
        message = "a pipeline has at least one container beside the classifier; add one or remove the section"
        yield Finding("serving.pipeline", [], message)
    if len(found) + 1 > MOST_CONTAINERS:
        message = f"a pipeline has at most {MOST_CONTAINERS} containers, the classifier included; remove some"
        yield Finding("serving.pipeline", names, message)
    taken = {CLASSIFIER}
    for key, one in found:
        if one.name in taken:
            yield Finding(f"{key}.name", one.name, "is taken by another container; rename it")
        taken.add(one.name)


@rule("stage", "serving")
def containers_lie_in_the_registry_of_their_region(stage: Stage, serving: Serving) -> Iterator[Finding]:
    for key, one in containers(serving):
        try:
            found = ecr_repository(one.image)
        except ValueError:
            message = "names no image in ECR, and hosting pulls from nowhere else; push it there"
            yield Finding(f"{key}.image", one.image, message)
            continue
        if found.region != stage.region:
            message = (
                f'lies in {found.region}, and hosting pulls in its own region, stage.region = "{stage.region}"; copy it'
            )
            yield Finding(f"{key}.image", one.image, message)
        if one.image.endswith(":latest"):
            message = "moves under a running endpoint; pin it by digest as ...@sha256:..."
            yield Finding(f"{key}.image", one.image, message)
