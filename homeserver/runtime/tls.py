"""What a listener's connections are secured with."""

from __future__ import annotations

from pathlib import Path

import structlog
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.ssl import CertificateOptions
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from homeserver.runtime.config import ConfigError
from homeserver.runtime.config.error import show_value

log = structlog.get_logger(__name__)


@implementer(IOpenSSLServerConnectionCreator)
class ServerCertificate:
    """The certificate of a listener and its key, read again when one of the files has changed.

    New connections get what is in the files. While that cannot be used, for one of two files is
    written before the other, they get what was there before.
    """

    def __init__(self, certificate: Path, private_key: Path, key: str) -> None:
        self._certificate = certificate
        self._private_key = private_key
        self._key = key
        self._versions = self._versions_on_disk()
        self._options = server_context(certificate, private_key, key)

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """The server's end of a new connection."""
        self._renew()
        return SSL.Connection(self._options.getContext(), None)

    def _renew(self) -> None:
        versions = self._versions_on_disk()
        if versions == self._versions:
            return
        self._versions = versions
        try:
            self._options = server_context(self._certificate, self._private_key, self._key)
        except ConfigError as error:
            log.warning("certificate_not_renewed", error=str(error))
        else:
            log.info("certificate_renewed", file=str(self._certificate))

    def _versions_on_disk(self) -> list[tuple[int, int, int] | None]:
        return [_version_of(self._certificate), _version_of(self._private_key)]


def server_context(certificate: Path, private_key: Path, key: str) -> CertificateOptions:
    """A certificate with its chain, and its key, out of PEM files.

    ``key`` is the configuration's key of the listener. Raises ConfigError.
    """
    try:
        leaf, *chain = load_pem_x509_certificates(certificate.read_bytes())
    except (OSError, ValueError) as error:
        raise _unusable(f"{key}.tls_certificate", certificate, error) from error
    try:
        loaded = load_pem_private_key(private_key.read_bytes(), password=None)
        options = CertificateOptions(
            privateKey=crypto.PKey.from_cryptography_key(loaded),  # type: ignore[arg-type]
            certificate=crypto.X509.from_cryptography(leaf),
            extraCertChain=[crypto.X509.from_cryptography(each) for each in chain],
        )
        options.getContext().check_privatekey()
    except (OSError, TypeError, ValueError, SSL.Error) as error:
        raise _unusable(f"{key}.tls_private_key", private_key, error) from error
    return options


def _version_of(file: Path) -> tuple[int, int, int] | None:
    """Changes with the contents of a file; None when there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def _unusable(key: str, file: Path, error: Exception) -> ConfigError:
    why = " ".join(str(error).split()) or type(error).__name__
    return ConfigError("configuration", key, show_value(file), f"it cannot be used: {why}")
