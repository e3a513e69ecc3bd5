"""ECR's DescribeImages for images that the registry file names: here they are there, whoever's registry it is."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from local import joints
from local.authority import KeyAuthority
from local.images import EcrRepository, ImageRegistry, UnknownImage
from local.json_service import CONTENT_TYPE, AwsError, HttpAnswer, error_answer

TARGET = "DescribeImages"


class RegistryImages:
    def __init__(self, images: ImageRegistry) -> None:
        self._images = images

    def install(self) -> None:
        joints.wrap_handler("ecr", self.handle)

    async def handle(  # noqa: PLR0917 - the gateway's contract for a handler
        self,
        original: Callable[..., Awaitable[HttpAnswer]],
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, Any],
    ) -> HttpAnswer:
        if headers.get("x-amz-target", "").rsplit(".", 1)[-1] != TARGET:
            return await original(method, path, headers, body, query)
        region = joints.region(headers, query)
        asked = json.loads(body or b"{}")
        place = EcrRepository(asked.get("registryId") or joints.account(), region, asked.get("repositoryName", ""))
        details = [self._detail(place, wanted) for wanted in asked.get("imageIds", [])]
        if not details or None in details:
            return await original(method, path, headers, body, query)
        try:
            KeyAuthority(joints.access_key(headers, query), region).require("ecr:DescribeImages", place.arn)
        except AwsError as error:
            return error_answer(error)
        return 200, {"Content-Type": CONTENT_TYPE}, json.dumps({"imageDetails": details}).encode()

    def _detail(self, place: EcrRepository, wanted: dict[str, str]) -> dict[str, Any] | None:
        tag = wanted.get("imageTag")
        uri = f"{place.account}.dkr.ecr.{place.region}.amazonaws.com/{place.name}:{tag}"
        try:
            self._images.find(uri)
        except UnknownImage:
            return None
        return {"registryId": place.account, "repositoryName": place.name, "imageTags": [tag]} if tag else None
