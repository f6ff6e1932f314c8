"""Operations that a user may call for themselves only."""

from __future__ import annotations

from homeserver.domain.errors import Forbidden
from homeserver.domain.identifiers import UserId, parse_user_id
from homeserver.http.request import Request


def own_user_id(request: Request) -> UserId:
    """The user in the path, who must be the one who asks. Raises InvalidParam and Forbidden."""
    user_id = parse_user_id(request.parameters["userId"])
    if user_id != request.user_id:
        raise Forbidden("You can do this for yourself only")
    return user_id
