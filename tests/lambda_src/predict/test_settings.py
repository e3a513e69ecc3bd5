import pytest

from lambda_src.predict.settings import Settings, SettingsError
from tests.lambda_src.predict.samples import ENVIRONMENT


def test_the_environment_becomes_typed_settings() -> None:
    settings = Settings.from_environment({**ENVIRONMENT, "ALLOWED_IMAGE_HOSTS": "a.example.com, *.Example.org"})
    assert settings == Settings(
        endpoint_name="whippet-test-realtime",
        top_k=5,
        max_image_bytes=4_500_000,
        max_images=4,
        fetch_timeout_seconds=5.0,
        invoke_timeout_seconds=10.0,
        allowed_image_hosts=("a.example.com", "*.example.org"),
        auth="none",
        jwt_issuer="",
        metrics=False,
        upload_bucket="",
        max_upload_bytes=6_000_000,
        upload_seconds=300,
        async_bucket="",
    )


def test_an_unset_list_of_hosts_allows_every_public_host() -> None:
    assert Settings.from_environment(ENVIRONMENT).allowed_image_hosts == ()


@pytest.mark.parametrize("variable", [name for name, required in Settings.VARIABLES.items() if required])
def test_a_missing_variable_is_named(variable: str) -> None:
    environment = {name: value for name, value in ENVIRONMENT.items() if name != variable}
    with pytest.raises(SettingsError, match=f"^The environment variable {variable} is not set; set it to "):
        Settings.from_environment(environment)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ENDPOINT_NAME", "has space"),
        ("ENDPOINT_NAME", "a" * 64),
        ("TOP_K", "0"),
        ("TOP_K", "1001"),
        ("TOP_K", "2.5"),
        ("TOP_K", "\u0665"),
        ("MAX_IMAGE_BYTES", "4500001"),
        ("MAX_IMAGE_BYTES", "4_500_000"),
        ("MAX_IMAGES", "0"),
        ("MAX_IMAGES", "21"),
        ("MAX_UPLOAD_BYTES", "25000001"),
        ("UPLOAD_SECONDS", "0"),
        ("UPLOAD_BUCKET", "Not_A_Bucket"),
        ("METRICS", "yes"),
        ("FETCH_TIMEOUT_SECONDS", "0"),
        ("FETCH_TIMEOUT_SECONDS", "nan"),
        ("INVOKE_TIMEOUT_SECONDS", "-1"),
        ("INVOKE_TIMEOUT_SECONDS", "inf"),
        ("ALLOWED_IMAGE_HOSTS", "https://example.com"),
        ("ALLOWED_IMAGE_HOSTS", "*"),
        ("ALLOWED_IMAGE_HOSTS", "10.0.0.1"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        Settings.from_environment({**ENVIRONMENT, variable: value})
    assert f"{variable} is {value!r}; set it to " in str(wrong.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as wrong:
        Settings.from_environment({**ENVIRONMENT, "TOP_K": "many", "ENDPOINT_NAME": ""})
    assert "TOP_K" in str(wrong.value)
    assert "ENDPOINT_NAME" in str(wrong.value)
