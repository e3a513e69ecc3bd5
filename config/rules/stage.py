"""What a stage says of its data as a whole."""

from collections.abc import Iterator

from config.rules.table import Finding, rule
from config.sections.stage import Stage


@rule("stage")
def protected_data_is_retained(stage: Stage) -> Iterator[Finding]:
    if stage.protect and not stage.retain_data:
        message = (
            "contradicts stage.protect = true, which says that the data matters; set it to true, or protect to false"
        )
        yield Finding("stage.retain_data", False, message)
