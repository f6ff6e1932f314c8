"""TLS for outgoing connections: the certificate must be valid for the name that was asked for.

Server-server API, "TLS". One context is shared by all connections: it holds the certificate
authorities, which take long to load.
"""

from __future__ import annotations

from typing import Any

from cryptography.x509 import load_pem_x509_certificates
from OpenSSL import SSL, crypto
from service_identity import VerificationError
from service_identity.hazmat import DNS_ID, IPAddress_ID, ServiceID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from federation.transport.trust import Trust
from homeserver.domain.server_name_parts import ip_literal


class TlsContexts:
    """Makes what a connection is secured with. Raises OSError or ValueError for a bad CA file."""

    def __init__(self, trust: Trust) -> None:
        self._verify = trust.verify
        if trust.verify:
            self._options = CertificateOptions(trustRoot=_authorities(trust))
        else:
            self._options = CertificateOptions(verify=False)

    def creator(self, tls_name: str) -> PeerName:
        """For a connection to the server with this name or address."""
        return PeerName(self._options, tls_name, verify=self._verify)


@implementer(IOpenSSLClientConnectionCreator)
class PeerName:
    """Sends the name of the server (SNI) unless it is an address, and demands a certificate for
    it."""

    def __init__(self, options: CertificateOptions, tls_name: str, *, verify: bool) -> None:
        self._options = options
        self._name = tls_name.removesuffix(".")
        self._is_address = ip_literal(tls_name) is not None
        self._verify = verify

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """An OpenSSL connection for the protocol of a new connection."""
        connection = self._options.clientConnectionForTLS(tlsProtocol)
        if not self._is_address:
            connection.set_tlsext_host_name(self._name.encode("ascii"))
        if self._verify:
            identity = IPAddress_ID(self._name) if self._is_address else DNS_ID(self._name)
            connection.set_verify(
                SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
                _verification(tlsProtocol, identity),
            )
        return connection


def _verification(protocol: Any, identity: ServiceID) -> Any:
    def verify(
        connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, valid: int
    ) -> bool:
        # OpenSSL has checked the chain; only the last certificate is the server's own.
        if not valid or depth > 0:
            return bool(valid)
        try:
            verify_service_identity(extract_patterns(certificate), [identity], [])
        except VerificationError:
            protocol.failVerification(Failure())
            return False
        except Exception:
            # An exception here would be lost in OpenSSL: certificates may be odd in many ways.
            protocol.failVerification(Failure(VerificationError([])))
            return False
        return True

    return verify


def _authorities(trust: Trust) -> Any:
    if trust.ca_file is None:
        return platformTrust()
    certificates = load_pem_x509_certificates(trust.ca_file.read_bytes())
    return trustRootFromCertificates(
        [Certificate(crypto.X509.from_cryptography(each)) for each in certificates]
    )
