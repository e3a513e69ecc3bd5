"""botocore's own signers, kept from doing the same twice.

What is overridden says the same sooner: a botocore that asks for it no longer signs all the same.
"""

from collections.abc import Mapping
from hashlib import sha256

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest

_SIGNED = "headers_to_sign"


class Signer(SigV4Auth):
    """For any service."""

    def payload(self, request: AWSRequest) -> str:
        """The body's hash; botocore prepares the request for sending, twice, to get at its body."""
        return sha256(request.data).hexdigest()

    def headers_to_sign(self, request: AWSRequest) -> Mapping[str, str]:
        """They are asked for again when the signature joins them."""
        if _SIGNED not in request.context:
            request.context[_SIGNED] = super().headers_to_sign(request)
        found: Mapping[str, str] = request.context[_SIGNED]
        return found


class BucketSigner(Signer, S3SigV4Auth):
    """For S3, which wants the hash in a header as well."""
