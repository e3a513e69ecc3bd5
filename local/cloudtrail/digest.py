"""Digest files: by whose chain of hashes and signatures `aws cloudtrail validate-logs` tells whether a log was changed.

How one is made and signed: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-custom-validation.html
"""

import base64
import hashlib
import json
import logging
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from local import joints
from local.clock import Clock
from local.cloudtrail import delivery
from local.cloudtrail.delivery import LogFile
from local.joints_cloudtrail import Trail
from local.records import Records, Scope

HOUR_SECONDS = 3600
BITS, EXPONENT = 2048, 65537
TIME = "%Y-%m-%dT%H:%M:%SZ"
logger = logging.getLogger("embedded-aws.cloudtrail")


class Digests:
    """One an hour of the clock for each trail that asks for validation; state and keys outlive a stop."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.records = Records()

    def note(self, trail: Trail, file: LogFile) -> None:
        if not trail.record.get("LogFileValidationEnabled"):
            return
        state = self._state(trail)
        state["files"].append(
            {
                "s3Bucket": file.bucket,
                "s3Object": file.key,
                "hashValue": hashlib.sha256(file.content).hexdigest(),
                "hashAlgorithm": "SHA-256",
                "newestEventTime": file.newest,
                "oldestEventTime": file.oldest,
            }
        )
        self.records.put(trail.place, "Digest", trail.arn, state)

    def close(self, trail: Trail, now: datetime) -> None:
        """Write the hour's, if it is over."""
        if not trail.record.get("LogFileValidationEnabled") or not trail.record.get("IsLogging"):
            return
        state = self._state(trail)
        if self.clock.now() - state["began"] < HOUR_SECONDS:
            return
        try:
            self._write(trail, state, now)
        except delivery.NotDelivered as error:
            if trail.record.get("_LatestDigestDeliveryError") != error.code:
                logger.warning("%s: no digest: %s", trail.arn, error.message)
            trail.record["_LatestDigestDeliveryError"] = error.code
            return
        trail.record.pop("_LatestDigestDeliveryError", None)
        trail.record["_LatestDigestDeliveryTime"] = now.timestamp()

    def _state(self, trail: Trail) -> dict[str, Any]:
        found = self.records.get(trail.place, "Digest", trail.arn)
        if found is None:
            found = {"began": self.clock.now(), "since": f"{datetime.now(UTC):{TIME}}", "files": [], "previous": {}}
            self.records.put(trail.place, "Digest", trail.arn, found)
        return found

    def _write(self, trail: Trail, state: dict[str, Any], now: datetime) -> None:
        place, name = trail.place, trail.record["Name"]
        ends, bucket, previous = f"{now:{TIME}}", trail.record["S3BucketName"], state["previous"]
        key = f"{delivery.folder(trail, 'CloudTrail-Digest', now)}/{place.account}_CloudTrail-Digest_{place.region}_"
        key += f"{name}_{place.region}_{now:%Y%m%dT%H%M%SZ}.json.gz"
        signer = self._key(place)
        times = sorted(time for one in state["files"] for time in (one["oldestEventTime"], one["newestEventTime"]))
        digest = {
            "awsAccountId": place.account,
            "digestStartTime": state["since"],
            "digestEndTime": ends,
            "digestS3Bucket": bucket,
            "digestS3Object": key,
            "digestPublicKeyFingerprint": fingerprint(signer),
            "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": times[-1] if times else None,
            "oldestEventTime": times[0] if times else None,
            "previousDigestS3Bucket": previous.get("bucket"),
            "previousDigestS3Object": previous.get("key"),
            "previousDigestHashValue": previous.get("hash"),
            "previousDigestHashAlgorithm": "SHA-256" if previous else None,
            "previousDigestSignature": previous.get("signature"),
            "logFiles": state["files"],
        }
        content = json.dumps(digest).encode()
        signature = sign(signer, ends, f"{bucket}/{key}", content, previous.get("signature"))
        metadata = {"signature": signature, "signature-algorithm": "SHA256withRSA"}
        delivery.put(trail, key, content, metadata)
        written = {"bucket": bucket, "key": key, "hash": hashlib.sha256(content).hexdigest(), "signature": signature}
        following = {"began": self.clock.now(), "since": ends, "files": [], "previous": written}
        self.records.put(place, "Digest", trail.arn, following)

    def _key(self, place: Scope) -> rsa.RSAPrivateKey:
        """A region's own, made when it is first needed."""
        found = self.records.get(place, "Key", "signing")
        if found is None:
            made = rsa.generate_private_key(EXPONENT, BITS)
            pem = made.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            found = {"pem": pem.decode(), "since": datetime.now(UTC).timestamp()}
            self.records.put(place, "Key", "signing", found)
        key = serialization.load_pem_private_key(found["pem"].encode(), None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError("the key that signs digests is none of RSA's")
        return key

    def public_keys(self, body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        """ListPublicKeys, which MiniStack lacks."""
        place = Scope(joints.account(), joints.current_region())
        key = self._key(place)
        since = (self.records.get(place, "Key", "signing") or {})["since"]
        known = {
            "Value": base64.b64encode(_public(key)).decode(),
            "ValidityStartTime": since,
            "ValidityEndTime": since + 10 * 365 * 86400,
            "Fingerprint": fingerprint(key),
        }
        return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps({"PublicKeyList": [known]}).encode()


def _public(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)


def fingerprint(key: rsa.RSAPrivateKey) -> str:
    return hashlib.md5(_public(key), usedforsecurity=False).hexdigest()


def sign(key: rsa.RSAPrivateKey, ends: str, where: str, content: bytes, previous: str | None) -> str:
    """In hexadecimal, of the four lines that AWS documents."""
    text = "\n".join((ends, where, hashlib.sha256(content).hexdigest(), previous or "null"))
    return key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()).hex()
