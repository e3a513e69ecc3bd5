"""What a command said, left in S3 at its end: put there by the instance's role; that it may not fails no command."""

import logging
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.records import Document
from local.sagemaker.role_client import role_client
from local.ssm.invocation import Invocation

logger = logging.getLogger("embedded-aws.ssm")


def leave(invocation: Invocation, bucket: str, prefix: str, gateway: Mapping[str, str]) -> Document:
    """Where it is, or would be."""
    below = "/".join(part for part in (prefix.strip("/"), invocation.command, invocation.machine.identity) if part)
    urls = {}
    for name, member in (("stdout", "StandardOutputUrl"), ("stderr", "StandardErrorUrl")):
        path = invocation.folder / name
        key = f"{below}/awsrunShellScript/{invocation.folder.name}/{name}"
        urls[member] = f"https://s3.{invocation.machine.place.region}.amazonaws.com/{bucket}/{key}"
        keys = invocation.machine.role_keys()
        if keys is None or not path.exists() or not path.stat().st_size:
            continue
        try:
            client: Any = role_client("s3", keys.credentials, gateway, read_seconds=30)
            client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
        except (BotoCoreError, ClientError) as error:
            logger.warning("the output of %s was not left in %s: %s", invocation.command, bucket, error)
    return urls
