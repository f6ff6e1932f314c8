"""Cross-signing keys and signatures.

Client-server API, "Cross-signing".
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from homeserver.api.accounts.interactive_auth import authorise
from homeserver.domain.cross_signing import MASTER, SELF_SIGNING, USER_SIGNING
from homeserver.domain.errors import BadJson
from homeserver.domain.identifiers import parse_user_id
from homeserver.http.answers import EMPTY, Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Route, client, route
from homeserver.services.accounts.user_interactive_auth import UserInteractiveAuth
from homeserver.services.encryption.cross_signing import CrossSigning, parse_upload
from homeserver.services.encryption.key_signatures import KeySignatures

_SECTION: Final = "Cross-signing"


class CrossSigningBody(msgspec.Struct):
    """The body of ``POST /keys/device_signing/upload``."""

    master_key: dict[str, Any] | None = None
    self_signing_key: dict[str, Any] | None = None
    user_signing_key: dict[str, Any] | None = None
    auth: dict[str, Any] | None = None


class CrossSigningApi:
    """Publishing cross-signing keys and signatures."""

    def __init__(
        self,
        cross_signing: CrossSigning,
        signatures: KeySignatures,
        interactive: UserInteractiveAuth,
    ) -> None:
        self._cross_signing = cross_signing
        self._signatures = signatures
        self._interactive = interactive

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "POST",
                # Clients from before version 1.1 of the specification call the second path.
                (
                    *client("/keys/device_signing/upload"),
                    "/_matrix/client/unstable/keys/device_signing/upload",
                ),
                self.upload_keys,
                body=CrossSigningBody,
                section=_SECTION,
            ),
            route(
                "POST",
                (
                    *client("/keys/signatures/upload"),
                    "/_matrix/client/unstable/keys/signatures/upload",
                ),
                self.upload_signatures,
                section=_SECTION,
            ),
        ]

    async def upload_keys(self, request: Request, body: CrossSigningBody) -> Answer:
        """``POST /keys/device_signing/upload``"""
        upload = parse_upload(
            request.user_id,
            {
                MASTER: body.master_key,
                SELF_SIGNING: body.self_signing_key,
                USER_SIGNING: body.user_signing_key,
            },
        )
        user_id = request.user_id
        if not await self._cross_signing.upload(user_id, upload, authorised=False):
            await authorise(self._interactive, request, body.auth)
            await self._cross_signing.upload(user_id, upload, authorised=True)
        return EMPTY

    async def upload_signatures(self, request: Request) -> Answer:
        """``POST /keys/signatures/upload``"""
        signed = {}
        for user, by_key in request.body_object().items():
            if not isinstance(by_key, dict) or not all(
                isinstance(signed_object, dict) for signed_object in by_key.values()
            ):
                raise BadJson("The body must map users to objects of signed keys")
            signed[parse_user_id(user)] = by_key
        failures = await self._signatures.upload(request.user_id, signed)
        return ok({"failures": failures})
