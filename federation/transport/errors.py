"""What goes wrong on the way to another server, and what it answers when it refuses.

`OutboundError` is about one HTTP request, whoever it was for. Requests of the federation end in a
`FederationError`, whose kinds say what to do: try again later, never, or read what the server said.
"""

from __future__ import annotations

from typing import Any

from homeserver.domain.errors import Forbidden, UnableToRetrieve
from homeserver.domain.identifiers import ServerName


class OutboundError(Exception):
    """An HTTP request got no usable answer."""


class NameNotResolved(OutboundError):
    """The host has no address, or the name servers do not answer."""


class AddressDenied(OutboundError):
    """The host is at addresses that must not be connected to."""


class ConnectionFailed(OutboundError):
    """No connection could be made, or it was lost before the answer was complete."""


class TlsFailed(OutboundError):
    """The connection could not be secured: the certificate is not valid for the name, mostly."""


class TimedOut(OutboundError):
    """The answer was not complete in time."""


class BrokenAnswer(OutboundError):
    """The answer is not HTTP, or does not hold what it must."""


class AnswerTooLarge(OutboundError):
    """The answer is longer than allowed."""


class FederationError(Exception):
    """A request to another server failed; ``destination`` is that server."""

    destination: ServerName


class DestinationUnavailable(FederationError, UnableToRetrieve):
    """The server cannot be reached or does not work; trying again later may help.

    ``retry_at_ms`` is when a request will be let through again, None when any time is as good.
    """

    def __init__(
        self, destination: ServerName, reason: str, retry_at_ms: int | None = None
    ) -> None:
        super().__init__(f"{destination} is not available: {reason}")
        self.destination = destination
        self.reason = reason
        self.retry_at_ms = retry_at_ms


class DestinationDenied(FederationError, Forbidden):
    """This server is configured not to talk to that one, or not to its addresses."""

    def __init__(self, destination: ServerName, reason: str) -> None:
        super().__init__(f"{destination} may not be reached: {reason}")
        self.destination = destination
        self.reason = reason


class RemoteError(FederationError, UnableToRetrieve):
    """The server answered with an error.

    ``remote_status`` is its HTTP status (300 or more; from 500 on only where the error is about the
    request, not about the server), ``remote_errcode`` and ``remote_error`` are from the body
    (M_UNKNOWN and an empty text when they are absent), ``remote_fields`` holds the rest of it.
    """

    def __init__(
        self,
        destination: ServerName,
        status: int,
        errcode: str,
        error: str,
        fields: dict[str, Any],
    ) -> None:
        super().__init__(f"{destination} answered {status} {errcode}: {error}")
        self.destination = destination
        self.remote_status = status
        self.remote_errcode = errcode
        self.remote_error = error
        self.remote_fields = fields

    @property
    def retry_after_ms(self) -> int | None:
        """How long the server asks to be left alone, in answers with the status 429."""
        wait = self.remote_fields.get("retry_after_ms")
        return wait if isinstance(wait, int) and not isinstance(wait, bool) and wait >= 0 else None
