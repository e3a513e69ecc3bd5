"""The environment becomes typed settings, or a sentence for each variable that is wrong."""

from datetime import timedelta

import pytest

from lambda_src.idle.settings import Settings, SettingsError
from tests.lambda_src.idle.stub import ENVIRONMENT


def test_the_environment_becomes_typed_settings():
    settings = Settings.from_environment(ENVIRONMENT)
    assert (settings.stops, settings.every, settings.box_cpu_percent) == (True, timedelta(minutes=15), 5.0)
    assert (settings.notebook_limit, settings.endpoint_idle) == (timedelta(hours=12), timedelta(days=7))


@pytest.mark.parametrize("variable", [name for name, required in Settings.VARIABLES.items() if required])
def test_a_missing_variable_is_named(variable):
    environment = {name: value for name, value in ENVIRONMENT.items() if name != variable}
    with pytest.raises(SettingsError, match=f"^The environment variable {variable} is not set; set it to "):
        Settings.from_environment(environment)


@pytest.mark.parametrize(
    ("variable", "value"), [("SWEEP", "delete"), ("EVERY_MINUTES", "often"), ("BOX_CPU_PERCENT", "101"), ("STAGE", "")]
)
def test_a_wrong_value_is_named(variable, value):
    with pytest.raises(SettingsError, match=f"{variable} is '{value}'; set it to "):
        Settings.from_environment({**ENVIRONMENT, variable: value})
