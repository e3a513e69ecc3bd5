"""Rules about the API: what cannot work is refused, what likely is not meant is warned about."""

import pytest

from config.load import parse_stage
from tests.config.stage_file import changed, faults
from tests.config.test_serving_rules import SERVERLESS

JWT = {"issuer": "https://id.example.com", "audience": ["whippet"], "scopes": []}
CORS = {"origins": ["https://app.example.com"], "max_age_seconds": 600}
CANARY = {"percent": 10, "minutes": 5}


def warnings(**changes):
    _, said = parse_stage(changed(**changes), "config/dev.toml")
    return said


def test_tokens_without_an_issuer_are_refused():
    (fault,) = faults(api__auth="jwt")
    assert fault.startswith('api.auth = "jwt": needs [api.jwt] with issuer, audience and scopes')


def test_an_issuer_that_nothing_asks_is_refused():
    (fault,) = faults(api__jwt=JWT)
    assert fault.startswith('api.jwt.issuer = "https://id.example.com": has no effect while api.auth = "iam"')


def test_tokens_with_their_issuer_are_fine():
    assert warnings(api__auth="jwt", api__jwt=JWT) == []


@pytest.mark.parametrize("issuer", ["http://id.example.com", "id.example.com", "https://id.example.com/?a=b"])
def test_an_issuer_is_an_https_address(issuer):
    (fault,) = faults(api__auth="jwt", api__jwt={**JWT, "issuer": issuer})
    assert fault.startswith(f'api.jwt.issuer = "{issuer}": must match')


def test_tokens_for_nobody_in_particular_are_refused():
    (fault,) = faults(api__auth="jwt", api__jwt={**JWT, "audience": []})
    assert fault.startswith("api.jwt.audience = []")


@pytest.mark.parametrize(
    "origin", ["http://app.example.com", "https://app.example.com/", "https://*.example.com", "app.example.com", "null"]
)
def test_an_origin_is_a_site_as_browsers_name_it(origin):
    (fault,) = faults(api__cors={**CORS, "origins": [origin]})
    assert fault.startswith(f'api.cors.origins.0 = "{origin}": must match')


@pytest.mark.parametrize("origin", ["https://app.example.com:8443", "http://localhost:3000", "http://127.0.0.1:5173"])
def test_a_site_and_a_developers_own_machine_are_origins(origin):
    assert warnings(api__cors={**CORS, "origins": [origin]}) == []


def test_any_site_stands_alone():
    (fault,) = faults(api__cors={**CORS, "origins": ["*", "https://app.example.com"]})
    assert fault == (
        'api.cors.origins = ["*", "https://app.example.com"]: the "*" lets in every site; remove it or the others'
    )


def test_any_site_may_not_ask_an_open_api_unnoticed():
    (warning,) = warnings(api__auth="none", api__cors={**CORS, "origins": ["*"]})
    assert 'api.cors.origins = ["*"]: lets a page of any site predict' in warning


def test_a_canary_beside_warm_environments_is_refused():
    said = faults(api__canary=CANARY, api__concurrency__provisioned_min=1, api__concurrency__provisioned_max=2)
    (fault,) = said
    assert fault.startswith(
        "api.canary.percent = 10: cannot be used with api.concurrency.provisioned_min = 1: Lambda keeps no environments "
        "warm for an alias that is split"
    )


def test_a_canary_of_more_than_half_is_refused():
    (fault,) = faults(api__canary={**CANARY, "percent": 51})
    assert fault.startswith("api.canary.percent = 51: must be less than or equal to 50")


def test_a_function_that_throttles_before_one_instance_is_full_is_warned_about():
    (warning,) = warnings(api__concurrency__reserved=5, api__concurrency__typical_call_ms=946)
    assert warning == (
        "config/dev.toml: api.concurrency.reserved = 5: carries 317 calls a minute at "
        "api.concurrency.typical_call_ms = 946, fewer than serving.scaling.target_invocations_per_minute = 600: Lambda "
        "answers 429 before one instance is full; raise it to 10 or more"
    )


def test_raised_as_the_warning_says_it_is_silent():
    assert warnings(api__concurrency__reserved=10, api__concurrency__typical_call_ms=946) == []


def test_bursts_of_both_kinds_of_route_are_looked_at():
    said = warnings(api__throttle_burst=500, api__open_burst=500)
    assert [sentence.split(" ")[1] for sentence in said] == ["api.throttle_burst", "api.open_burst"]


def test_a_fetch_may_not_take_the_models_time():
    (fault,) = faults(api__fetch_timeout_seconds=12, api__invoke_timeout_seconds=12)
    assert fault.startswith(
        "api.fetch_timeout_seconds = 12: must be below api.invoke_timeout_seconds = 12: a linked image must not take the time"
    )


def test_a_gateway_may_not_give_up_before_the_function():
    (fault,) = faults(api__gateway_timeout_seconds=28)
    assert fault == (
        "api.gateway_timeout_seconds = 28: must exceed api.timeout_seconds = 28; raise it (up to 29) or lower that"
    )


def test_uploads_for_images_that_a_request_holds_are_refused():
    (fault,) = faults(api__max_upload_bytes=4_500_000)
    assert fault == (
        "api.max_upload_bytes = 4500000: is not above api.max_image_bytes = 4500000, which a request holds by itself; raise "
        "it, or set it to 0 for no uploads"
    )
    assert warnings(api__max_upload_bytes=0) == []


def test_images_that_a_serverless_endpoint_refuses_are_warned_about():
    larger = {"api__max_image_bytes": 4_500_000, "api__max_upload_bytes": 6_000_000}
    said = [sentence.split(": ", 1)[1] for sentence in warnings(**{**SERVERLESS, **larger})]
    assert said == [
        f"api.{key}: is more than the 4000000 bytes that a serverless endpoint takes; lower it, or larger images are refused "
        "late"
        for key in ("max_image_bytes = 4500000", "max_upload_bytes = 6000000")
    ]
    assert warnings(**SERVERLESS) == []
