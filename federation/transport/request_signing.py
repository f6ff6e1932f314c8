"""Signing what this server asks of others."""

from __future__ import annotations

import attrs

from homeserver.domain.identifiers import ServerName
from homeserver.domain.signing import SigningKey
from homeserver.domain.x_matrix import sign_request


@attrs.frozen
class RequestSigner:
    """Signs requests in the name of this server."""

    server_name: ServerName
    key: SigningKey

    def authorization(
        self, method: str, target: str, destination: ServerName, body: bytes | None
    ) -> str:
        """The value of the Authorization header.

        ``target`` is the path with the query, ``destination`` the server's name before delegation,
        ``body`` canonical JSON.
        """
        return sign_request(method, target, self.server_name, destination, self.key, body).header()
