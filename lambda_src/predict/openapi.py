"""What GET /openapi.json says: the routes of this very deployment, its limits, and who may call which."""

import json
from typing import Any

from .answers import Answer
from .images import MAX_PIXELS
from .settings import MAX_TOP_K, Settings

Document = dict[str, Any]
IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp", "image/gif", "application/octet-stream")
# What each status means, whoever gives it: the function, the model or the gateway before them.
REFUSED = {
    "400": "The request is not understood",
    "401": "No token, or one that this API does not take",
    "403": "No signature, or one that may not call this route; a token without the scope",
    "404": "There is no such result, or no longer",
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
REFUSED_OF_PREDICTIONS = ("400", "413", "415", "422", "429", "500", "502", "503", "504")
REFUSED_OF_RESULTS = ("404", *REFUSED_OF_PREDICTIONS)


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
        "/predict": {"post": _guarded(settings, _prediction(settings), REFUSED_OF_PREDICTIONS)},
        "/": {"get": _open("A page on which to try an image", "text/html", {"type": "string"})},
        "/healthz": {"get": _open("Whether the function answers", "application/json", _named("Health"))},
        "/openapi.json": {"get": _open("This description", "application/json", {"type": "object"})},
    }
    if settings.async_bucket:
        paths["/results/{id}"] = {"get": _guarded(settings, _result(), REFUSED_OF_RESULTS)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Whippet's predictions", "version": "1"},
        "servers": [{"url": "./"}],
        "paths": paths,
        "components": {"schemas": _schemas(), "securitySchemes": _schemes(settings)},
    }


def _prediction(settings: Settings) -> Document:
    waits = "The image waits for the model; what it found will be at the location"
    top_k = {"type": "integer", "minimum": 1, "maximum": MAX_TOP_K}
    by_kind = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in IMAGE_TYPES}
    return {
        "operationId": "predict",
        "summary": "What is in the picture?",
        "description": f"Images of at most {settings.max_image_bytes:,} bytes and {MAX_PIXELS:,} pixels.",
        "parameters": [{"name": "top_k", "in": "query", "schema": {**top_k, "default": settings.top_k}}],
        "requestBody": {"required": True, "content": {**by_kind, **_json(_named("PredictionRequest"))}},
        "responses": {"202": _waiting(waits)} if settings.async_bucket else {"200": _found()},
    }


def _result() -> Document:
    return {
        "operationId": "result",
        "summary": "What became of an image?",
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "responses": {"200": _found(), "202": _waiting("Not found out yet; ask again when retry-after has passed")},
    }


def _found() -> Document:
    return {"description": "The most probable labels, the first of them first", "content": _json(_named("Prediction"))}


def _waiting(description: str) -> Document:
    headers = {"location": {"schema": {"type": "string"}}, "retry-after": {"schema": {"type": "integer"}}}
    return {"description": description, "headers": headers, "content": _json(_named("Waiting"))}


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


def _schemas() -> Document:
    text, number = {"type": "string"}, {"type": "number", "minimum": 0, "maximum": 1}
    label = _object({"label": text, "probability": number})
    top_k = {"type": "integer", "minimum": 1, "maximum": MAX_TOP_K}
    return {
        "PredictionRequest": {
            "oneOf": [
                _object({"url": {**text, "format": "uri", "description": "https only"}}, {"top_k": top_k}),
                _object({"image": {**text, "contentEncoding": "base64"}}, {"top_k": top_k}),
            ]
        },
        "Prediction": _object(
            {
                "predictions": {"type": "array", "items": label},
                "model_version": text,
                "variant": text,
                "request_id": text,
            }
        ),
        "Waiting": _object({"id": text, "status": {"const": "waiting"}, "request_id": text}),
        "Health": _object({"status": {"const": "ok"}, "request_id": text}),
        "Refusal": {
            "anyOf": [
                _object({"error": _object({"code": text, "message": text}), "request_id": text}),
                {**_object({"message": text}), "description": "The gateway's own, before the function was asked"},
            ]
        },
    }
