"""The three ways to a stage's model, made from its outputs and its settings."""

import ssl
from collections.abc import Mapping
from typing import Any, Protocol

from config.sections.api import Api
from ops.account import Account
from ops.asking.answer import Answered
from ops.asking.pictures import Picture
from ops.asking.target import target_for
from ops.asking.through_api import ThroughApi
from ops.asking.through_endpoint import ThroughEndpoint
from ops.asking.through_function import ThroughFunction
from ops.stage import Stage

WAIT_SECONDS = 900.0


class Way(Protocol):
    def ask(self, picture: Picture) -> Answered: ...

    def close(self) -> None: ...


def api_way(
    account: Account,
    api: Api,
    outputs: Mapping[str, str],
    s3: Any,  # noqa: ANN401 - boto3 makes its clients at run time
    *,
    token: str | None = None,
    top_k: int | None = None,
    wait_seconds: float = WAIT_SECONDS,
) -> ThroughApi:
    return ThroughApi(
        target=target_for(account, outputs["Url"], outputs["Auth"], token),
        s3=s3,
        top_k=top_k,
        max_image_bytes=api.max_image_bytes,
        max_upload_bytes=api.max_upload_bytes,
        wait_seconds=wait_seconds,
        poll_seconds=account.poll_seconds,
        upload_context=ssl.create_default_context(cafile=account.environment.get("AWS_CA_BUNDLE")),
    )


def function_way(stage: Stage, top_k: int | None, wait_seconds: float) -> ThroughFunction:
    return ThroughFunction(
        client=stage.client("lambda"),
        s3=stage.client("s3"),
        function=stage.output("api", "PredictFunctionName"),
        bucket=stage.output("data", "BucketName"),
        top_k=top_k,
        max_image_bytes=stage.config.api.max_image_bytes,
        max_upload_bytes=stage.config.api.max_upload_bytes,
        wait_seconds=wait_seconds,
        poll_seconds=stage.account.poll_seconds,
    )


def endpoint_way(stage: Stage, top_k: int | None, wait_seconds: float) -> ThroughEndpoint:
    return ThroughEndpoint(
        runtime=stage.client("sagemaker-runtime"),
        s3=stage.client("s3"),
        endpoint=stage.output("serving", "EndpointName"),
        bucket=stage.output("data", "BucketName"),
        asynchronous=stage.config.serving.mode == "async",
        top_k=top_k or stage.config.api.top_k,
        wait_seconds=wait_seconds,
        poll_seconds=stage.account.poll_seconds,
    )
