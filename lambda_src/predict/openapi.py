"""What GET /openapi.json says: the routes of this very deployment, its limits, and who may call which."""

import json
from typing import Any

from .answers import Answer
from .images import IMAGE_TYPES, MAX_PIXELS
from .settings import MAX_TOP_K, Settings

Document = dict[str, Any]
_TOP_K = {"type": "integer", "minimum": 1, "maximum": MAX_TOP_K}
_RAW = {"type": "boolean", "default": False, "description": "The network's whole output instead of labels"}
_VECTOR = {"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}]}}
SENT_AS = (*IMAGE_TYPES, "application/octet-stream")
# What each status means, whoever gives it: the function, the model or the gateway before them.
REFUSED = {
    "400": "The request is not understood",
    "401": "No token, or one that this API does not take",
    "403": "No signature, or one that may not call this route; a token without the scope",
    "404": "There is no such result or upload, or no longer",
    "413": "The image is too large",
    "415": "The body or the image is of a kind that is not supported",
    "422": "The image or what the link leads to cannot be read",
    "429": "Too many requests; retry-after says when to come back, where it is known",
    "500": "Something went wrong in this service",
    "502": "The model failed, or answered what cannot be read",
    "503": "The model is not in service just now",
    "504": "The model took too long",
}
REFUSED_OF_AUTH = {"iam": ("403",), "jwt": ("401", "403"), "none": ()}
REFUSED_OF_RESULTS = ("400", "404", "413", "415", "422", "429", "500", "502", "503", "504")
REFUSED_OF_UPLOADS = ("400", "413", "415", "429", "500", "503")


def refused_of_predictions(settings: Settings) -> tuple[str, ...]:
    """Nothing is missing where there are no uploads to be named."""
    return REFUSED_OF_RESULTS if settings.upload_bucket else tuple(s for s in REFUSED_OF_RESULTS if s != "404")


def load_document(settings: Settings) -> Answer:
    """Made once: nothing in it changes while the function lives."""
    return {
        "statusCode": 200,
        "headers": {
            "content-type": "application/json",
            "cache-control": "no-cache",
            "x-content-type-options": "nosniff",
        },
        "body": json.dumps(document(settings), separators=(",", ":")),
    }


def document(settings: Settings) -> Document:
    paths = {
        "/predict": {"post": _guarded(settings, _prediction(settings), refused_of_predictions(settings))},
        "/": {"get": _open("A page on which to try an image", "text/html", {"type": "string"})},
        "/healthz": {"get": _open("Whether the function answers", "application/json", _named("Health"))},
        "/openapi.json": {"get": _open("This description", "application/json", {"type": "object"})},
    }
    if settings.upload_bucket:
        paths["/uploads"] = {"post": _guarded(settings, _upload(settings), REFUSED_OF_UPLOADS)}
    if settings.async_bucket:
        paths["/results/{id}"] = {"get": _guarded(settings, _result(), REFUSED_OF_RESULTS)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Whippet's predictions", "version": "1"},
        "servers": [{"url": "./"}],
        "paths": paths,
        "components": {"schemas": _schemas(settings), "securitySchemes": _schemes(settings)},
    }


def _prediction(settings: Settings) -> Document:
    waits = "The image waits for the model; what it found will be at the location, or at /results/ and its id"
    by_kind = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in SENT_AS}
    form = {"multipart/form-data": {"schema": _named("PredictionForm")}}
    return {
        "operationId": "predict",
        "summary": "What is in the picture?",
        "description": f"Images of at most {settings.max_image_bytes:,} bytes and {MAX_PIXELS:,} pixels; "
        f"up to {settings.max_images} of them at once.",
        "parameters": [_query("top_k", {**_TOP_K, "default": settings.top_k}), _query("raw", _RAW)],
        "requestBody": {"required": True, "content": {**by_kind, **form, **_json(_named("PredictionRequest"))}},
        "responses": {"202": _waiting(waits, "Waiting", "WaitingOfSeveral")}
        if settings.async_bucket
        else {"200": _found("Prediction", "PredictionsOfSeveral", "Raw")},
    }


def _upload(settings: Settings) -> Document:
    return {
        "operationId": "upload",
        "summary": "A place for an image that is too large for a request",
        "description": f"PUT up to {settings.max_upload_bytes:,} bytes there, with the headers that come along, within "
        f'{settings.upload_seconds} seconds; then predict {{"s3": {{"key": ...}}}}.',
        "requestBody": {"required": True, "content": _json(_named("UploadRequest"))},
        "responses": {"201": {"description": "Where to put it", "content": _json(_named("Upload"))}},
    }


def _query(name: str, schema: Document) -> Document:
    return {"name": name, "in": "query", "schema": schema}


def _result() -> Document:
    waits = "Not found out yet; ask again when retry-after has passed"
    return {
        "operationId": "result",
        "summary": "What became of an image?",
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "responses": {"200": _found("Prediction", "Raw"), "202": _waiting(waits, "Waiting")},
    }


def _found(*schemas: str) -> Document:
    return {"description": "The most probable labels, the first of them first", "content": _json(_any_of(schemas))}


def _waiting(description: str, *schemas: str) -> Document:
    headers = {"location": {"schema": {"type": "string"}}, "retry-after": {"schema": {"type": "integer"}}}
    return {"description": description, "headers": headers, "content": _json(_any_of(schemas))}


def _any_of(schemas: tuple[str, ...]) -> Document:
    return _named(schemas[0]) if len(schemas) == 1 else {"anyOf": [_named(schema) for schema in schemas]}


def _guarded(settings: Settings, operation: Document, refused: tuple[str, ...]) -> Document:
    statuses = sorted({*refused, *REFUSED_OF_AUTH[settings.auth]})
    said = {status: {"description": REFUSED[status], "content": _json(_named("Refusal"))} for status in statuses}
    security: list[Document] = [] if settings.auth == "none" else [{settings.auth: []}]
    return {**operation, "security": security, "responses": {**operation["responses"], **said}}


def _open(summary: str, kind: str, schema: Document) -> Document:
    answered = {"description": summary, "content": {kind: {"schema": schema}}}
    return {"summary": summary, "security": [], "responses": {"200": answered}}


def _json(schema: Document) -> Document:
    return {"application/json": {"schema": schema}}


def _named(schema: str) -> Document:
    return {"$ref": f"#/components/schemas/{schema}"}


def _schemes(settings: Settings) -> Document:
    match settings.auth:
        case "iam":
            signed = {"type": "apiKey", "name": "Authorization", "in": "header"}
            return {"iam": {**signed, "x-amazon-apigateway-authtype": "awsSigv4"}}
        case "jwt":
            known_at = f"{settings.jwt_issuer.rstrip('/')}/.well-known/openid-configuration"
            return {"jwt": {"type": "openIdConnect", "openIdConnectUrl": known_at}}
    return {}


def _object(required: Document, optional: Document | None = None) -> Document:
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}


def _schemas(settings: Settings) -> Document:
    text, number = {"type": "string"}, {"type": "number", "minimum": 0, "maximum": 1}
    wishes = {"top_k": _TOP_K, "raw": _RAW}
    label = _object({"label": text, "probability": number})
    prediction = {"predictions": {"type": "array", "items": label}, "model_version": text, "variant": text}
    error = {"error": _object({"code": text, "message": text})}
    waiting = {"id": text, "status": {"const": "waiting"}}
    sources: list[Document] = [
        {"url": {**text, "format": "uri", "description": "https only"}},
        {"image": {**text, "contentEncoding": "base64"}},
    ]
    if settings.upload_bucket:
        sources.append({"s3": _object({"key": {**text, "pattern": "^uploads/"}})})
    several = {
        "type": "array",
        "minItems": 1,
        "maxItems": settings.max_images,
        "items": {"oneOf": [_object(source) for source in sources]},
    }
    fields = {"url": text, "s3": {**text, "description": "the key of an upload"}, **wishes}
    files = {"image": {"type": "array", "items": {"type": "string", "format": "binary"}}}
    found = [_object(prediction), _object({"raw": _VECTOR, "variant": text}), _object(error)]
    return {
        "PredictionRequest": {"oneOf": [_object(source, wishes) for source in [*sources, {"images": several}]]},
        "PredictionForm": _object({}, {**files, **fields}),
        "Prediction": _object({**prediction, "request_id": text}),
        "PredictionsOfSeveral": _object(
            {"results": {"type": "array", "items": {"anyOf": found}}, "request_id": text},
        ),
        "Raw": {**_VECTOR, "description": "The network's whole output, as it comes out"},
        "Waiting": _object({**waiting, "request_id": text}),
        "WaitingOfSeveral": _object(
            {"results": {"type": "array", "items": {"anyOf": [_object(waiting), _object(error)]}}, "request_id": text}
        ),
        "UploadRequest": _object(
            {
                "content_type": {"enum": list(IMAGE_TYPES)},
                "bytes": {"type": "integer", "minimum": 1, "maximum": settings.max_upload_bytes},
            }
        ),
        "Upload": _object(
            {
                "key": text,
                "method": {"const": "PUT"},
                "url": text,
                "headers": {"type": "object"},
                "expires_in_seconds": {"type": "integer"},
                "request_id": text,
            }
        ),
        "Health": _object({"status": {"const": "ok"}, "request_id": text}),
        "Refusal": {
            "anyOf": [
                _object({**error, "request_id": text}),
                {**_object({"message": text}), "description": "The gateway's own, before the function was asked"},
            ]
        },
    }
