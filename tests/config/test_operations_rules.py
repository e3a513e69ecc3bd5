"""Operations: who is told, what can ring at all, and what GitHub's tokens say."""

import pytest

from config.load import parse_stage
from tests.config.stage_file import changed, faults

GITHUB = {"operations__github__provider": "create", "operations__github__repository": "owner/name"}
SENTENCES = [
    (
        {"operations__monthly_budget_usd": 100.0},
        "operations.monthly_budget_usd = 100.0: tells nobody while operations.emails is empty; name an address there",
    ),
    (
        {"operations__trail__data_events": True},
        "operations.trail.data_events = true: is recorded by no trail while operations.trail.enabled = false; set that",
    ),
    (
        {"operations__github__branch": "main"},
        'operations.github.branch = "main": has no effect with operations.github.provider = "none"; remove it or set',
    ),
    (
        {"operations__github__diff_pull_requests": True},
        'operations.github.diff_pull_requests = true: has no effect with operations.github.provider = "none"',
    ),
    (
        {"operations__github__provider": "import", "operations__github__branch": "main"},
        'operations.github.provider = "import": needs operations.github.repository, or any repository of GitHub\'s could',
    ),
    (GITHUB, 'operations.github.provider = "create": needs either operations.github.environment or'),
    (
        {**GITHUB, "operations__github__branch": "main", "operations__github__environment": "dev"},
        'operations.github.provider = "create": needs either operations.github.environment or',
    ),
    (
        {
            "operations__github__provider": "create",
            "operations__github__branch": "main",
            "operations__github__repository": "owner@1/name",
        },
        'operations.github.repository = "owner@1/name": carries a number for one of owner and name',
    ),
    ({"operations__emails": ["nobody"]}, 'operations.emails.0 = "nobody": must match'),
    ({"operations__idle__sweep": "delete"}, 'operations.idle.sweep = "delete": must be "off", "report" or "stop"'),
]


@pytest.mark.parametrize(("changes", "sentence"), SENTENCES, ids=[sentence[:40] for _, sentence in SENTENCES])
def test_fault_names_key_value_and_remedy(changes, sentence):
    (fault,) = faults(**changes)
    assert fault.startswith(sentence)


@pytest.mark.parametrize(
    "repository", ["*/name", "owner/*", "owner", "owner/name:ref", "owner/na me", "repo:owner/name"]
)
def test_a_repository_is_one_repository(repository):
    said = faults(
        operations__github__provider="create",
        operations__github__branch="main",
        operations__github__repository=repository,
    )
    assert any(fault.startswith("operations.github.repository = ") for fault in said)


@pytest.mark.parametrize(("key", "value"), [("branch", "*"), ("branch", "feature/*"), ("environment", "prod?")])
def test_a_place_that_deploys_is_no_pattern(key, value):
    said = faults(**GITHUB, **{f"operations__github__{key}": value})
    assert any(fault.startswith(f"operations.github.{key} = ") for fault in said)


def test_a_repository_may_carry_githubs_immutable_numbers():
    numbered = {**GITHUB, "operations__github__repository": "owner@1/name@2", "operations__github__branch": "main"}
    assert parse_stage(changed(**numbered), "config/dev.toml")[1] == []


WARNINGS = [
    (
        {"operations__alarms__latency_p99_ms": 15_000},
        "operations.alarms.latency_p99_ms = 15000: is not below api.invoke_timeout_seconds = 15",
    ),
    (
        {"operations__idle__every_minutes": 120},
        "operations.idle.every_minutes = 120: is above operations.idle.box_idle_minutes = 60",
    ),
]


@pytest.mark.parametrize(("changes", "sentence"), WARNINGS)
def test_what_works_but_likely_not_as_meant_is_warned_about(changes, sentence):
    _, (warning,) = parse_stage(changed(**changes), "config/dev.toml")
    assert warning.startswith(f"config/dev.toml: {sentence}")
