"""The certificate authority of one embedded AWS, its server certificate, and the bundle that clients trust."""

import datetime
import ipaddress
import os
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_DAYS = 365
RENEW_DAYS = 30
NAMES = ("localhost", "*.localhost", "*.execute-api.localhost")
# Variables by which a machine may already name authorities of its own (a company's proxy, say).
CA_VARIABLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")


class Certificates:
    """The four files under one folder, made when missing, damaged or soon to expire."""

    def __init__(self, folder: Path) -> None:
        self.authority = folder / "ca.crt"
        self.certificate = folder / "server.crt"
        self.key = folder / "server.key"
        # Not ca-bundle.pem: MiniStack writes one of that name beside the certificate.
        self.bundle = folder / "trust.pem"

    def ensure(self) -> None:
        if not self._usable():
            self._make()
        # Rewritten at each start: the machine's own authorities may have changed since.
        _write(self.bundle, b"\n".join([*_machine_authorities(), self.authority.read_bytes()]))

    def _usable(self) -> bool:
        files = (self.authority, self.certificate, self.key)
        if not all(path.is_file() for path in files):
            return False
        try:
            certificate = x509.load_pem_x509_certificate(self.certificate.read_bytes())
            certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(self.authority.read_bytes()))
            key = serialization.load_pem_private_key(self.key.read_bytes(), password=None)
        except (ValueError, TypeError, InvalidSignature):
            # Damaged, or of different makings. Nobody else has relied on them.
            return False
        fits = key.public_key() == certificate.public_key()
        return fits and certificate.not_valid_after_utc - _now() > datetime.timedelta(days=RENEW_DAYS)

    def _make(self) -> None:
        """An authority signs one certificate and its key is dropped, so it can sign nothing else."""
        authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "embedded AWS on this machine")])
        authority = (
            _builder(issuer, issuer, authority_key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        certificate = (
            _builder(subject, issuer, server_key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
            .add_extension(
                x509.SubjectAlternativeName([*(x509.DNSName(name) for name in NAMES), *addresses]), critical=False
            )
            .sign(authority_key, hashes.SHA256())
        )
        private = server_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _write(self.key, private)
        _write(self.authority, authority.public_bytes(serialization.Encoding.PEM))
        _write(self.certificate, certificate.public_bytes(serialization.Encoding.PEM))


def _builder(subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - datetime.timedelta(hours=1))
        .not_valid_after(_now() + datetime.timedelta(days=VALID_DAYS))
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _machine_authorities() -> list[bytes]:
    """What the machine trusts already: a *_CA_BUNDLE variable replaces the store, so the bundle must hold it too."""
    defaults = ssl.get_default_verify_paths()
    named = [os.environ.get(variable) for variable in CA_VARIABLES]
    found: list[bytes] = []
    for path in dict.fromkeys([*named, defaults.cafile, defaults.openssl_cafile]):
        if path and Path(path).is_file():
            content = Path(path).read_bytes()
            if content not in found:
                found.append(content)
    return found


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _write(path: Path, content: bytes) -> None:
    """Atomically, and readable by its owner alone."""
    staging = path.with_suffix(".new")
    staging.touch(mode=0o600)
    staging.chmod(0o600)
    staging.write_bytes(content)
    staging.replace(path)
