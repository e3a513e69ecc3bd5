"""The API's description against what the API does: real requests, and each answer checked with its own schema."""

import base64
import json
from typing import Any

import pytest
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_src.predict.endpoint import Classification, Wish
from lambda_src.predict.openapi import REFUSED_OF_RESULTS, REFUSED_OF_UPLOADS, document, refused_of_predictions
from lambda_src.predict.refusals import STATUS_OF_CODE, Refusal
from lambda_src.predict.settings import Settings
from lambda_src.predict.uploads import Uploads
from tests.lambda_src.predict.samples import (
    ENVIRONMENT,
    JPEG,
    PREDICTIONS,
    VECTOR,
    MemoryObjects,
    StubEndpoint,
    http_event,
    image_file,
    json_event,
    make_service,
)

ID = "0" * 32
KEY = "uploads/photo"
BOTH = {"UPLOAD_BUCKET": "bucket", "ASYNC_BUCKET": "bucket"}


class StubWaiting:
    """Knows one result, which is there when it is said to be."""

    def __init__(self) -> None:
        self.found: Classification | Refusal | None = None

    def submit(self, _image: bytes, _content_type: str, _wish: Wish) -> str:
        return ID

    def result(self, _result_id: str) -> Classification | None:
        if isinstance(self.found, Refusal):
            raise self.found
        return self.found


class Deployment:
    """A service and what it says of itself."""

    def __init__(self, **environment: str) -> None:
        self.endpoint, self.waiting, objects = StubEndpoint(), StubWaiting(), MemoryObjects()
        objects.put(KEY, JPEG, "image/jpeg")
        uploads: Any = objects
        self.service = make_service(
            endpoint=self.endpoint,
            uploads=Uploads(uploads, max_bytes=6_000_000, expires_seconds=300)
            if environment.get("UPLOAD_BUCKET")
            else None,
            waiting=self.waiting if environment.get("ASYNC_BUCKET") else None,
            **environment,
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
        # A list of results has no one location.
        assert set(described.get("headers", {})) - {"location"} <= set(answer["headers"])


def check(root: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """As much of JSON Schema as the description uses."""
    if "$ref" in schema:
        check(root, root["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], value)
        return
    if "anyOf" in schema:
        assert any(holds(root, inner, value) for inner in schema["anyOf"]), value
        return
    if "const" in schema or "enum" in schema:
        assert value in schema.get("enum", [schema.get("const")])
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
    for content in (
        {"url": "https://images.example.com/dog.jpg"},
        {"images": [{"url": "https://a.example"}, {"image": "?"}]},
    ):
        deployment.check(
            "/predict", "post", deployment.service.answer(json_event({**content, "raw": True}), "request-1")
        )


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
        Classification([], "", "", raw=VECTOR),
        *(Refusal(code, "No.") for code in ("not_found", "image_unreadable", "model_failed", "unavailable")),
    ],
    ids=["not yet", "found", "vector", "not_found", "image_unreadable", "model_failed", "unavailable"],
)
def test_every_result_is_described(found: Classification | Refusal | None) -> None:
    deployment = Deployment(ASYNC_BUCKET="bucket")
    deployment.waiting.found = found
    deployment.check("/results/{id}", "get", deployment.ask("GET", f"/results/{ID}"))


def test_described_routes_are_the_routes() -> None:
    for deployment in (Deployment(), Deployment(**BOTH)):
        for path, methods in deployment.description["paths"].items():
            for method in ("GET", "POST"):
                status = deployment.ask(method, path.replace("{id}", ID))["statusCode"]
                assert (status == 405) == (method.lower() not in methods), (path, method)
    for method, path in (("GET", f"/results/{ID}"), ("POST", "/uploads")):
        assert Deployment().ask(method, path)["statusCode"] == 404


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
    settings = Settings.from_environment({**ENVIRONMENT, **environment, **BOTH})
    said = document(settings)
    assert {name: scheme["type"] for name, scheme in said["components"]["securitySchemes"].items()} == schemes
    for path, method, known in (
        ("/predict", "post", refused_of_predictions(settings)),
        ("/uploads", "post", REFUSED_OF_UPLOADS),
        ("/results/{id}", "get", REFUSED_OF_RESULTS),
    ):
        operation = said["paths"][path][method]
        assert operation["security"] == [{name: []} for name in schemes]
        assert operation["responses"].keys() - {"200", "201", "202"} - set(known) == refused
    for path in ("/", "/healthz", "/openapi.json"):
        assert said["paths"][path]["get"]["security"] == []


def test_description_states_the_deployments_own_limits() -> None:
    settings = Settings.from_environment({**ENVIRONMENT, "TOP_K": "7", "MAX_IMAGE_BYTES": "123456"})
    operation = document(settings)["paths"]["/predict"]["post"]
    assert operation["parameters"][0]["schema"]["default"] == 7
    assert "123,456 bytes" in operation["description"]


def test_an_upload_is_answered_as_described() -> None:
    deployment = Deployment(**BOTH)
    for content in (
        {"content_type": "image/png", "bytes": 5_000_000},
        {"content_type": "image/png", "bytes": 7_000_000},
    ):
        body = json.dumps(content).encode()
        answer = deployment.ask("POST", "/uploads", body=body, content_type="application/json")
        deployment.check("/uploads", "post", answer)


# What stands for a kind of text: the first is right in every respect, and so are the described requests made of it.
GOOD = {
    "uri": st.sampled_from(["https://images.example.com/dog.jpg", "https://bücher.example/a?b=c"]),
    "base64": st.sampled_from([JPEG, image_file("PNG")]).map(lambda image: base64.b64encode(image).decode()),
    "^uploads/": st.just(KEY),
}
JUNK = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.lists(st.text(max_size=3), max_size=2)


def made(root: dict[str, Any], schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values as a schema of the description has them."""
    if "$ref" in schema:
        return made(root, root["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    if "oneOf" in schema:
        return st.one_of([made(root, inner) for inner in schema["oneOf"]])
    if schema["type"] == "object":
        parts = {name: made(root, inner) for name, inner in schema["properties"].items()}
        required = {name: parts.pop(name) for name in schema["required"]}
        return st.fixed_dictionaries(required, optional=parts)
    if schema["type"] == "array":
        return st.lists(made(root, schema["items"]), min_size=schema["minItems"], max_size=schema["maxItems"])
    if schema["type"] == "integer":
        return st.integers(schema["minimum"], schema["maximum"])
    return st.booleans() if schema["type"] == "boolean" else GOOD[text_kind(schema)]


def text_kind(schema: dict[str, Any]) -> str:
    return str(schema.get("format") or schema.get("contentEncoding") or schema["pattern"])


DESCRIBED = Deployment(UPLOAD_BUCKET="bucket")
REQUESTS = made(DESCRIBED.description, {"$ref": "#/components/schemas/PredictionRequest"})


@settings(max_examples=80, deadline=None)
@given(content=REQUESTS)
def test_every_described_request_is_answered_as_described(content: dict[str, Any]) -> None:
    answer = DESCRIBED.service.answer(json_event(content), "request-1")
    assert answer["statusCode"] == 200, (content, answer)
    DESCRIBED.check("/predict", "post", answer)


@settings(max_examples=80, deadline=None)
@given(content=REQUESTS, name=st.sampled_from(["url", "image", "s3", "images", "top_k", "raw", "x"]), junk=JUNK)
def test_every_request_that_is_not_described_is_refused_as_described(
    content: dict[str, Any], name: str, junk: object
) -> None:
    answer = DESCRIBED.service.answer(json_event({**content, name: junk}), "request-1")
    assert answer["statusCode"] in (200, 400, 404, 413, 415, 422), answer
    DESCRIBED.check("/predict", "post", answer)


@settings(max_examples=40, deadline=None)
@given(images=st.lists(GOOD["base64"], min_size=1, max_size=4), top_k=st.integers(1, 1000), raw=st.booleans())
def test_every_described_form_is_answered_as_described(images: list[str], top_k: int, raw: bool) -> None:
    fields: list[tuple[str, Any]] = [
        ("image", ("photo.jpg", base64.b64decode(image), "image/jpeg")) for image in images
    ]
    fields += [("top_k", str(top_k)), ("raw", str(raw).lower())]
    body, kind = urllib3.encode_multipart_formdata(fields)
    answer = DESCRIBED.ask("POST", "/predict", body=body, content_type=kind)
    assert answer["statusCode"] == 200, answer
    DESCRIBED.check("/predict", "post", answer)


def without_slashes(text: str) -> str:
    return text.replace("/", "-")


ALL = Deployment(**BOTH)
CONTENT_TYPES = [*ALL.description["paths"]["/predict"]["post"]["requestBody"]["content"], "text/plain", "", None]
QUERIES = st.dictionaries(
    st.sampled_from(["top_k", "raw", "x"]),
    st.sampled_from(["1", "1000", "0", "-1", "1.5", "true", "", "é"]),
    max_size=3,
)
BODIES = st.binary(max_size=20) | JUNK.map(lambda value: json.dumps(value).encode()) | st.sampled_from([b"", JPEG])


@settings(max_examples=300, deadline=None)
@given(
    path=st.sampled_from([*ALL.description["paths"], "/no/such", "/results"]),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD"]),
    id=st.sampled_from([ID, "..", "{id}", "%2e", "é" * 32]) | st.text(min_size=1, max_size=40).map(without_slashes),
    query=QUERIES,
    body=BODIES,
    content_type=st.sampled_from(CONTENT_TYPES),
)
def test_whatever_is_sent_to_any_route_is_answered_as_described(
    path: str, method: str, id: str, query: dict[str, str], body: bytes, content_type: str | None
) -> None:
    if content_type in ("application/json", "text/plain"):
        body = body.decode("latin-1").encode()
    answer = ALL.ask(method, path.replace("{id}", id), body=body, content_type=content_type, query=query)
    described = ALL.description["paths"].get(path)
    if described is None or method.lower() not in described:
        assert answer["statusCode"] == (404 if described is None else 405)
    else:
        ALL.check(path, method.lower(), answer)


@settings(max_examples=100, deadline=None)
@given(kind=st.sampled_from(["image/png", "image/tiff", ""]) | JUNK, length=st.integers() | JUNK, more=st.booleans())
def test_whatever_is_to_be_uploaded_is_answered_as_described(kind: object, length: object, more: bool) -> None:
    content = {"content_type": kind, "bytes": length, **({"x": 1} if more else {})}
    answer = ALL.ask("POST", "/uploads", body=json.dumps(content).encode(), content_type="application/json")
    assert answer["statusCode"] in (201, 400, 413, 415), answer
    ALL.check("/uploads", "post", answer)
