"""A certificate authority for tests, and what it issues."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto
from twisted.internet.ssl import CertificateOptions

_DAY = datetime.timedelta(days=1)


@attrs.frozen
class ServerCertificate:
    """A certificate and its key."""

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey

    def options(self, sni: list[bytes | None] | None = None) -> CertificateOptions:
        """What a listener is secured with; ``sni`` collects the names that clients send."""
        options = CertificateOptions(
            privateKey=crypto.PKey.from_cryptography_key(self.private_key),
            certificate=crypto.X509.from_cryptography(self.certificate),
        )
        if sni is not None:
            names = sni

            def note(connection: SSL.Connection) -> None:
                names.append(connection.get_servername())

            options.getContext().set_tlsext_servername_callback(note)
        return options


class CertificateAuthority:
    """An authority with a certificate of its own."""

    def __init__(self, name: str = "Tests") -> None:
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = (
            _builder(self._name, self._name, self._key, expired=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def write(self, directory: Path) -> Path:
        """The file with the authority's certificate."""
        path = directory / "ca.pem"
        path.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        return path

    def issue(self, *names: str, expired: bool = False) -> ServerCertificate:
        """A certificate for host names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        certificate = (
            _builder(subject, self._name, key, expired=expired)
            .add_extension(
                x509.SubjectAlternativeName([_general_name(name) for name in names]),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return ServerCertificate(certificate, key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, expired: bool
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 30 * _DAY)
        .not_valid_after(now - _DAY if expired else now + 30 * _DAY)
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
