"""The API's description against what the API does: real requests, and each answer checked with its own schema."""

import json
from typing import Any

import pytest

from lambda_src.predict.endpoint import Classification
from lambda_src.predict.openapi import REFUSED_OF_PREDICTIONS, REFUSED_OF_RESULTS, document
from lambda_src.predict.refusals import STATUS_OF_CODE, Refusal
from lambda_src.predict.service import Service
from lambda_src.predict.settings import Settings
from tests.lambda_src.predict.samples import ENVIRONMENT, JPEG, PREDICTIONS, StubEndpoint, http_event, json_event

ID = "0" * 32


class StubFetcher:
    def fetch(self, _link: object) -> bytes:
        return JPEG


class StubWaiting:
    """Knows one result, which is there when it is said to be."""

    def __init__(self) -> None:
        self.found: Classification | Refusal | None = None

    def submit(self, _image: bytes, _content_type: str, _top_k: int) -> str:
        return ID

    def result(self, _result_id: str) -> Classification | None:
        if isinstance(self.found, Refusal):
            raise self.found
        return self.found


class Deployment:
    """A service and what it says of itself."""

    def __init__(self, **changes: str) -> None:
        settings = Settings.from_environment({**ENVIRONMENT, **changes})
        self.endpoint, self.waiting = StubEndpoint(), StubWaiting()
        self.service = Service(
            settings=settings,
            endpoint=self.endpoint,
            fetcher=StubFetcher(),
            write_log=lambda _record: None,
            waiting=self.waiting if settings.async_bucket else None,
        )
        self.description: dict[str, Any] = json.loads(self.ask("GET", "/openapi.json")["body"])

    def ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        return self.service.answer(http_event(method, path, **more), "request-1")

    def check(self, path: str, method: str, answer: dict[str, Any]) -> None:
        """The description has this status for this route, and the answer is as its schema says."""
        described = self.description["paths"][path][method]["responses"][str(answer["statusCode"])]
        (kind,) = described["content"]
        assert answer["headers"]["content-type"].startswith(kind)
        if kind == "application/json":
            check(self.description, described["content"][kind]["schema"], json.loads(answer["body"]))
        assert set(described.get("headers", {})) <= set(answer["headers"])


def check(root: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """As much of JSON Schema as the description uses."""
    if "$ref" in schema:
        check(root, root["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], value)
        return
    if "anyOf" in schema:
        assert any(holds(root, inner, value) for inner in schema["anyOf"]), value
        return
    if "const" in schema:
        assert value == schema["const"]
        return
    kinds = {"object": dict, "string": str, "array": list, "number": int | float, "integer": int}
    assert isinstance(value, kinds[schema["type"]]), (schema, value)
    if schema["type"] in ("number", "integer"):
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value)
    if schema["type"] == "object" and "properties" in schema:
        assert set(schema["required"]) <= value.keys() <= schema["properties"].keys(), value
        for name, inner in value.items():
            check(root, schema["properties"][name], inner)
    for inner in value if schema["type"] == "array" else []:
        check(root, schema["items"], inner)


def holds(root: dict[str, Any], schema: dict[str, Any], value: Any) -> bool:
    try:
        check(root, schema, value)
    except AssertionError:
        return False
    return True


def test_every_open_route_answers_as_described() -> None:
    deployment = Deployment()
    for path in ("/", "/healthz", "/openapi.json"):
        deployment.check(path, "get", deployment.ask("GET", path))


@pytest.mark.parametrize("deployment", [Deployment(), Deployment(ASYNC_BUCKET="bucket")], ids=["at once", "waiting"])
def test_every_way_of_predicting_is_answered_as_described(deployment: Deployment) -> None:
    for kind in ("image/jpeg", "image/png", "image/webp", "image/gif", "application/octet-stream"):
        assert kind in deployment.description["paths"]["/predict"]["post"]["requestBody"]["content"]
        answer = deployment.ask("POST", "/predict", body=JPEG, content_type=kind, query={"top_k": "2"})
        assert answer["statusCode"] in (200, 202)
        deployment.check("/predict", "post", answer)
    link = deployment.service.answer(json_event({"url": "https://images.example.com/dog.jpg"}), "request-1")
    deployment.check("/predict", "post", link)


@pytest.mark.parametrize("code", [code for code in STATUS_OF_CODE if code not in {"not_found", "method_not_allowed"}])
def test_every_refusal_of_a_prediction_is_described(code: str) -> None:
    deployment = Deployment()
    deployment.endpoint.failure = Refusal(code, "It cannot be done; try another image.")
    deployment.check("/predict", "post", deployment.ask("POST", "/predict", body=JPEG, content_type="image/jpeg"))


@pytest.mark.parametrize(
    "found",
    [
        None,
        Classification(PREDICTIONS, "starter-1", ""),
        *(Refusal(code, "No.") for code in ("not_found", "image_unreadable", "model_failed", "unavailable")),
    ],
    ids=["not yet", "found", "not_found", "image_unreadable", "model_failed", "unavailable"],
)
def test_every_result_is_described(found: Classification | Refusal | None) -> None:
    deployment = Deployment(ASYNC_BUCKET="bucket")
    deployment.waiting.found = found
    deployment.check("/results/{id}", "get", deployment.ask("GET", f"/results/{ID}"))


def test_described_routes_are_the_routes() -> None:
    for deployment in (Deployment(), Deployment(ASYNC_BUCKET="bucket")):
        for path, methods in deployment.description["paths"].items():
            for method in ("GET", "POST"):
                status = deployment.ask(method, path.replace("{id}", ID))["statusCode"]
                assert (status == 405) == (method.lower() not in methods), (path, method)
    assert Deployment().ask("GET", f"/results/{ID}")["statusCode"] == 404


@pytest.mark.parametrize(
    ("environment", "schemes", "refused"),
    [
        ({"AUTH": "none"}, {}, set()),
        ({"AUTH": "iam"}, {"iam": "apiKey"}, {"403"}),
        ({"AUTH": "jwt", "JWT_ISSUER": "https://id.example.com/"}, {"jwt": "openIdConnect"}, {"401", "403"}),
    ],
    ids=["none", "iam", "jwt"],
)
def test_description_says_who_may_call(environment: dict[str, str], schemes: dict[str, str], refused: set[str]) -> None:
    said = document(Settings.from_environment({**ENVIRONMENT, **environment, "ASYNC_BUCKET": "bucket"}))
    assert {name: scheme["type"] for name, scheme in said["components"]["securitySchemes"].items()} == schemes
    for path, method, known in (
        ("/predict", "post", REFUSED_OF_PREDICTIONS),
        ("/results/{id}", "get", REFUSED_OF_RESULTS),
    ):
        operation = said["paths"][path][method]
        assert operation["security"] == [{name: []} for name in schemes]
        assert operation["responses"].keys() - {"200", "202"} - set(known) == refused
    for path in ("/", "/healthz", "/openapi.json"):
        assert said["paths"][path]["get"]["security"] == []


def test_description_states_the_deployments_own_limits() -> None:
    settings = Settings.from_environment({**ENVIRONMENT, "TOP_K": "7", "MAX_IMAGE_BYTES": "123456"})
    operation = document(settings)["paths"]["/predict"]["post"]
    assert operation["parameters"][0]["schema"]["default"] == 7
    assert "123,456 bytes" in operation["description"]
