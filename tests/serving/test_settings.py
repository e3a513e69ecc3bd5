"""The environment is read in one place, and what is wrong in it is told at once."""

import re
from dataclasses import fields

import pytest

from serving.errors import StartError
from serving.settings import BOUNDS, CHOICES, Settings, read_settings
from tests.serving.processes import ROOT


def fault(**environment: str) -> str:
    with pytest.raises(StartError) as caught:
        read_settings(environment)
    return str(caught.value)


def test_empty_environment_gives_the_defaults() -> None:
    assert read_settings({}).max_body_bytes == Settings().max_body_bytes


def test_variable_sets_its_field() -> None:
    assert read_settings({"WHIPPET_SERVING_QUEUE_LENGTH": "7"}).queue_length == 7


def test_sagemakers_port_wins() -> None:
    assert read_settings({"SAGEMAKER_BIND_TO_PORT": "9000", "WHIPPET_SERVING_PORT": "9001"}).port == 9000


def test_other_variables_are_none_of_its_business() -> None:
    assert read_settings({"PATH": "/bin", "SM_MODEL_DIR": "/x"}) == read_settings({})


def test_default_limits_lie_within_their_bounds() -> None:
    for name, (low, high) in BOUNDS.items():
        assert low <= getattr(Settings(), name) <= high
    for name, allowed in CHOICES.items():
        assert getattr(Settings(), name) in allowed


def test_every_setting_but_sagemakers_has_its_variable() -> None:
    assert {field.name for field in fields(Settings)} - {"batch"} == {*BOUNDS, *CHOICES}


@pytest.mark.parametrize("value", ["-1", "1e3", "many", "", "10001", "nan"])
def test_wrong_value_is_told_with_variable_value_and_range(value: str) -> None:
    told = fault(WHIPPET_SERVING_QUEUE_LENGTH=value)
    assert re.fullmatch(rf"WHIPPET_SERVING_QUEUE_LENGTH={value}: it must be a whole number from 0 to 10000", told)


def test_misspelt_variable_is_told_with_the_known_ones() -> None:
    told = fault(WHIPPET_SERVING_QUEUE_LENGHT="5")
    assert "WHIPPET_SERVING_QUEUE_LENGHT: no such setting" in told
    assert "WHIPPET_SERVING_QUEUE_LENGTH" in told


def test_all_faults_are_told_at_once() -> None:
    told = fault(WHIPPET_SERVING_MAX_BATCH="0", WHIPPET_SERVING_MAX_PIXELS="x", SAGEMAKER_BIND_TO_PORT="70000")
    assert told.count("it must be") == 3


def test_choice_is_told_with_what_there_is() -> None:
    assert fault(WHIPPET_SERVING_PRECISION="bf16") == "WHIPPET_SERVING_PRECISION=bf16: it must be fp32 or int8"


def test_batch_transform_makes_room_for_its_payload() -> None:
    batch = read_settings({"SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "20"})
    assert batch.batch
    assert batch.max_body_bytes == 20 * 1024**2
    assert batch.max_pending_bytes >= 4 * batch.max_body_bytes
    assert batch.request_seconds > 60


def test_payload_without_a_limit_is_bounded_all_the_same() -> None:
    unlimited = read_settings({"SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"})
    assert unlimited.max_body_bytes == 100 * 1024**2


def test_variable_wins_over_what_batch_transform_would_set() -> None:
    batch = read_settings({"SAGEMAKER_BATCH": "true", "WHIPPET_SERVING_MAX_IMAGES": "9"})
    assert batch.max_images == 9


def test_payload_of_an_endpoint_is_none_of_its_business() -> None:
    assert read_settings({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "20"}) == Settings()


@pytest.mark.parametrize("value", ["101", "-1", "all", ""])
def test_wrong_payload_is_told(value: str) -> None:
    told = fault(SAGEMAKER_BATCH="true", SAGEMAKER_MAX_PAYLOAD_IN_MB=value)
    assert told == f"SAGEMAKER_MAX_PAYLOAD_IN_MB={value}: it must be a whole number from 0 to 100"


def test_every_setting_is_documented_with_its_default() -> None:
    page = (ROOT / "docs" / "serving.md").read_text()
    for name in (*BOUNDS, *CHOICES):
        default = getattr(Settings(), name)
        assert f"| `{name}` | {default} |" in page or f"| `{name}` | {default:g} |" in page, name


def test_deadline_of_an_endpoint_lies_below_sagemakers_own() -> None:
    told = fault(WHIPPET_SERVING_REQUEST_SECONDS="60")
    assert told == "WHIPPET_SERVING_REQUEST_SECONDS=60: it must be a number from 0.1 to 59"


def test_deadline_of_a_batch_transform_job_may_be_an_hour() -> None:
    batch = read_settings({"SAGEMAKER_BATCH": "true", "WHIPPET_SERVING_REQUEST_SECONDS": "3000"})
    assert batch.request_seconds == 3000
