"""The environment is read in one place, and what is wrong in it is told at once."""

import re
from dataclasses import fields

import pytest

from serving.errors import StartError
from serving.settings import BOUNDS, Settings, read_settings


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
    for field in fields(Settings):
        low, high = BOUNDS[field.name]
        assert low <= getattr(Settings(), field.name) <= high


@pytest.mark.parametrize("value", ["-1", "1e3", "many", "", "10001", "nan"])
def test_wrong_value_is_told_with_variable_value_and_range(value: str) -> None:
    told = fault(WHIPPET_SERVING_QUEUE_LENGTH=value)
    assert re.fullmatch(rf"WHIPPET_SERVING_QUEUE_LENGTH={value}: it must be a whole number from 0 to 10000", told)


def test_misspelt_variable_is_told_with_the_known_ones() -> None:
    told = fault(WHIPPET_SERVING_QUEUE_LENGHT="5")
    assert "WHIPPET_SERVING_QUEUE_LENGHT: no such setting" in told
    assert "WHIPPET_SERVING_QUEUE_LENGTH" in told


def test_all_faults_are_told_at_once() -> None:
    told = fault(WHIPPET_SERVING_WORKERS="0", WHIPPET_SERVING_MAX_PIXELS="x", SAGEMAKER_BIND_TO_PORT="70000")
    assert told.count("it must be") == 3
