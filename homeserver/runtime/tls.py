"""What a listener's connections are secured with."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from OpenSSL import SSL, crypto
from twisted.internet.ssl import CertificateOptions

from homeserver.runtime.config import ConfigError
from homeserver.runtime.config.error import show_value


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


def _unusable(key: str, file: Path, error: Exception) -> ConfigError:
    why = " ".join(str(error).split()) or type(error).__name__
    return ConfigError("configuration", key, show_value(file), f"it cannot be used: {why}")
