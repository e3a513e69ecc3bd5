"""AWS clients that work as a role, through the gateway like any other caller, so that IAM is asked about each call."""

import threading
from collections.abc import Mapping

import botocore.session
from botocore.client import BaseClient
from botocore.config import Config

from local.authority import Credentials

_session = botocore.session.Session()
_making_clients = threading.Lock()


def role_client(
    service: str, credentials: Credentials, gateway: Mapping[str, str], *, read_seconds: float
) -> BaseClient:
    # A session's cache spares reading the API's model again; making clients on one session is not thread-safe.
    with _making_clients:
        return _session.create_client(
            service,
            region_name=gateway["AWS_REGION"],
            endpoint_url=gateway["AWS_ENDPOINT_URL"],
            verify=gateway["AWS_CA_BUNDLE"],
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            aws_session_token=credentials.token,
            config=Config(retries={"max_attempts": 2}, connect_timeout=5, read_timeout=read_seconds),
        )
