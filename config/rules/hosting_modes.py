"""What goes with which mode of hosting: one table, a row a thing that a mode cannot have."""

from collections.abc import Callable, Iterator
from typing import Any

from config.rules.table import Finding, rule
from config.rules.variants import containers
from config.sections.network import Network
from config.sections.serving import Serving

# A mode, the key, its value where the mode cannot have it (else None), and why, with the remedy.
EXCLUDED: list[tuple[str, str, Callable[[Serving], Any], str]] = [
    (
        "serverless",
        "serving.capture_percent",
        lambda serving: serving.capture_percent or None,
        "serverless endpoints capture nothing; set it to 0",
    ),
    (
        "serverless",
        "serving.scaling.enabled",
        lambda serving: serving.scaling.enabled or None,
        "a serverless endpoint scales by itself, and CloudFormation cannot scale its provisioned concurrency; "
        "set it to false",
    ),
    (
        "serverless",
        "serving.encrypt_volume",
        lambda serving: serving.encrypt_volume or None,
        "a serverless endpoint has no volume of yours; set it to false",
    ),
    (
        "serverless",
        "serving.variants",
        lambda serving: [one.name for one in serving.variants] or None,
        "a serverless endpoint serves one variant; remove them",
    ),
    (
        "serverless",
        "serving.pipeline",
        lambda serving: [one.name for _, one in containers(serving)] or None,
        "a serverless endpoint runs one container; remove the section",
    ),
    *(
        (
            mode,
            "serving.shadow.percent",
            lambda serving: serving.shadow.percent if serving.shadow else None,
            "such an endpoint has no shadow; remove the section",
        )
        for mode in ("serverless", "async")
    ),
    (
        "async",
        "serving.variants",
        lambda serving: [one.name for one in serving.variants] or None,
        "the backlog that scaling goes by is the endpoint's, not a variant's; remove them",
    ),
    (
        "async",
        "serving.scaling.metric",
        lambda serving: "concurrency" if serving.scaling.metric == "concurrency" else None,
        "an asynchronous endpoint holds its backlog at serving.async.target_backlog; remove it",
    ),
    (
        "realtime",
        "serving.scaling.min_instances",
        lambda serving: 0 if serving.scaling.enabled and serving.scaling.min_instances == 0 else None,
        'only mode "async" can sleep and wake; set it to 1 or more',
    ),
]
SECTIONS = {"serverless": "serverless", "async": "async_"}


@rule("serving")
def modes_exclude_what_they_cannot_have(serving: Serving) -> Iterator[Finding]:
    for mode, key, value_of, message in EXCLUDED:
        value = value_of(serving)
        if mode == serving.mode and value is not None:
            yield Finding(key, value, f'serving.mode = "{mode}": {message}')


@rule("network", "serving")
def serverless_stays_outside_the_network(network: Network, serving: Serving) -> Iterator[Finding]:
    if network.isolated and serving.mode == "serverless":
        message = 'a serverless endpoint cannot run inside a VPC; set it to false or choose mode "realtime" or "async"'
        yield Finding("network.isolated", True, message)


@rule("serving")
def a_modes_section_belongs_to_it(serving: Serving) -> Iterator[Finding]:
    for mode, field in SECTIONS.items():
        section = getattr(serving, field)
        if serving.mode == mode and section is None:
            yield Finding("serving.mode", mode, f"needs the section [serving.{mode}]; add it, as in config/dev.toml")
        if serving.mode != mode and section is not None:
            message = f'[serving.{mode}] has no effect; remove it or set serving.mode = "{mode}"'
            yield Finding("serving.mode", serving.mode, message)


@rule("serving")
def provisioned_concurrency_lies_within_the_maximum(serving: Serving) -> Iterator[Finding]:
    own = serving.serverless
    if (
        own is not None
        and own.provisioned_concurrency is not None
        and own.provisioned_concurrency > own.max_concurrency
    ):
        message = f"is above serving.serverless.max_concurrency = {own.max_concurrency}; lower it or raise that"
        yield Finding("serving.serverless.provisioned_concurrency", own.provisioned_concurrency, message)
