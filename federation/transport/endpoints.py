"""Where a request goes."""

from __future__ import annotations

import attrs


@attrs.frozen
class Endpoint:
    """A place to connect to.

    ``host`` is a name to resolve, or an IP address without brackets. ``host_header`` is the value
    of the Host header. ``tls_name`` is the name or address that the certificate must be valid for;
    None means plain HTTP.
    """

    host: str
    port: int
    host_header: str
    tls_name: str | None
