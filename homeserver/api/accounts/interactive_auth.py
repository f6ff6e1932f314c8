"""User-interactive authentication of a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from homeserver.domain.canonical_json import JsonObject
from homeserver.http.request import Request
from homeserver.services.accounts.uia_session_ids import Operation
from homeserver.services.accounts.uia_stages import PASSWORD
from homeserver.services.accounts.user_interactive_auth import (
    Authorisation,
    Flow,
    UserInteractiveAuth,
)

PASSWORD_FLOWS: Final[tuple[Flow, ...]] = ((PASSWORD,),)
"""For what only the owner of an account may do to it."""


async def authorise(
    interactive: UserInteractiveAuth,
    request: Request,
    auth: JsonObject | None,
    flows: Sequence[Flow] = PASSWORD_FLOWS,
) -> Authorisation:
    """Authorise a request by its ``auth``; raises what `UserInteractiveAuth.authorise` raises."""
    requester = request.requester_or_none
    operation = Operation(
        request.method,
        request.path,
        request.body_object(),
        None if requester is None else requester.user_id,
    )
    return await interactive.authorise(operation, flows, auth)
