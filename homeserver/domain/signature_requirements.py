"""Which servers must have signed an event for it to be accepted.

Specification: server-server API, "Validating hashes and signatures on received events"; room
versions, "Authorisation rules".
"""

from __future__ import annotations

from typing import Any

from homeserver.domain.errors import InvalidParam
from homeserver.domain.events import Event
from homeserver.domain.identifiers import ServerName, parse_user_id, server_name_of
from homeserver.domain.room_versions import EventFormat


def required_signing_servers(event: Event) -> frozenset[ServerName]:
    """The servers that must have signed ``event``: an event lacks validity without any of them.

    The set is empty for third-party invites since room version 3: the invited server may send
    these in the name of the inviting user, and the authorisation rules check the signature of the
    identity server instead.
    """
    servers = set()
    if not _is_third_party_invite(event):
        servers.add(server_name_of(event.sender))
    if event.version.event_format is EventFormat.V1:
        servers.add(server_name_of(event.event_id))
    authorising_server = _authorising_server(event)
    if authorising_server is not None:
        servers.add(authorising_server)
    return frozenset(servers)


def _is_third_party_invite(event: Event) -> bool:
    return (
        event.type == "m.room.member"
        and event.content.get("membership") == "invite"
        and "third_party_invite" in event.content
    )


def _authorising_server(event: Event) -> ServerName | None:
    """The server that vouches for a join to a restricted room.

    A malformed user ID names no server; the authorisation rules reject such an event.
    """
    if event.type != "m.room.member" or not event.version.restricted_join_rule:
        return None
    user_id: Any = event.content.get("join_authorised_via_users_server")
    if not isinstance(user_id, str):
        return None
    try:
        return server_name_of(parse_user_id(user_id))
    except InvalidParam:
        return None
