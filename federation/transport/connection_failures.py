"""What Twisted and OpenSSL say when a request fails, in this package's words."""

from __future__ import annotations

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectingCancelledError, ConnectionClosed
from twisted.web.client import RequestGenerationFailed, RequestTransmissionFailed, ResponseFailed

from federation.transport.errors import BrokenAnswer, ConnectionFailed, OutboundError, TlsFailed


def explain(error: Exception) -> Exception:
    """The OutboundError that an exception stands for; others stay what they are."""
    if isinstance(error, RequestGenerationFailed | RequestTransmissionFailed | ResponseFailed):
        return _explain_reasons([reason.value for reason in error.reasons])
    if isinstance(error, ConnectionClosed):
        return ConnectionFailed("the connection was lost")
    if isinstance(error, ConnectingCancelledError):
        return CancelledError()
    return error


def _explain_reasons(reasons: list[BaseException]) -> Exception:
    for reason in reasons:
        if isinstance(reason, OutboundError | CancelledError):
            return reason
        if isinstance(reason, VerificationError):
            return TlsFailed("the certificate is not valid for the name of the server")
        if isinstance(reason, SSL.Error):
            return TlsFailed(_openssl_words(reason))
    if any(isinstance(reason, ConnectionClosed) for reason in reasons):
        return ConnectionFailed("the connection was lost before the answer was complete")
    return BrokenAnswer(f"the answer is not HTTP: {reasons[-1]!r:.200}")


def _openssl_words(error: SSL.Error) -> str:
    # Either a list of (library, function, reason) or a number and a text.
    stack = error.args[0] if error.args else None
    if isinstance(stack, list) and stack:
        return str(stack[-1][-1])
    return str(error.args[-1]) if error.args else "the connection could not be secured"
