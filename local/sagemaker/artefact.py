"""The model artefact: fetched with the hosting role's own credentials, unpacked where nothing can escape from."""

import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError

from local.authority import Credentials
from local.sagemaker.instance import LaunchFailed
from local.sagemaker.role_client import role_client

UNPACKED_LIMIT_BYTES = 8 * 1024**3


def s3_client(credentials: Credentials, gateway: Mapping[str, str]) -> BaseClient:
    """Patient: a model is large."""
    return role_client("s3", credentials, gateway, read_seconds=60)


def fetch(url: str, role_arn: str, client: BaseClient, target: Path) -> None:
    """The object at `url` as a file."""
    parts = urlsplit(url)
    try:
        answer = client.get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))
        with target.open("wb") as file:
            shutil.copyfileobj(answer["Body"], file)
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        if code in ("NoSuchKey", "NoSuchBucket"):
            raise LaunchFailed(f"Could not find model data at {url}.") from error
        raise LaunchFailed(
            f'Could not access model data at {url}. Please ensure that the role "{role_arn}" exists and that its trust '
            'relationship policy allows the action "sts:AssumeRole" for the service principal '
            '"sagemaker.amazonaws.com". Also ensure that the role has "s3:GetObject" permissions and that the object '
            "is located in this region. "
            f"({code}: {message})"
        ) from error
    except (BotoCoreError, OSError) as error:
        raise LaunchFailed(f"Could not read model data at {url}: {error}.") from error


def unpack(archive: Path, folder: Path) -> None:
    """A tar.gz whose members stay inside `folder`: no absolute path, no `..`, no link out, no device."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            total = 0
            for member in tar:
                total += member.size
                if total > UNPACKED_LIMIT_BYTES:
                    raise LaunchFailed(f"The model artefact unpacks to more than {UNPACKED_LIMIT_BYTES} bytes.")
                tar.extract(member, folder, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise LaunchFailed(f"The model artefact is not a usable tar.gz file: {error}.") from error
