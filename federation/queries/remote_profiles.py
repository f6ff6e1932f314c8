"""The profiles of users of other servers.

Server-server API, "Querying for information": profiles.
"""

from __future__ import annotations

from typing import Final

import attrs

from federation.queries.asking import SECONDS, RemoteServers, for_client
from federation.transport.errors import RemoteError
from federation.transport.expiring_cache import ExpiringCache
from federation.transport.request_paths import federation_path
from federation.transport.single_flight import SingleFlight
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import NotFound
from homeserver.domain.identifiers import ServerName, UserId, server_name_of
from homeserver.domain.profile_fields import AVATAR_URL, DISPLAY_NAME, MAX_PROFILE_BYTES
from homeserver.ports.clock import Clock

KEPT_SECONDS: Final = 300.0
UNKNOWN_SECONDS: Final = 60.0
"""How long a profile is remembered, and that there is none."""
MOST_KEPT: Final = 10_000

PATH: Final = federation_path("query", "profile")
# Other servers may encode the same profile in a longer form.
_MAX_BYTES: Final = 2 * MAX_PROFILE_BYTES


@attrs.frozen
class _Known:
    fields: JsonObject | None


class RemoteProfiles:
    """See :class:`homeserver.ports.federation.remote_profiles.RemoteProfiles`."""

    def __init__(self, servers: RemoteServers, own_name: ServerName, clock: Clock) -> None:
        self._servers = servers
        self._own_name = own_name
        self._known: ExpiringCache[UserId, _Known] = ExpiringCache(clock, MOST_KEPT)
        self._asking: SingleFlight[UserId, _Known] = SingleFlight()

    def concerns(self, user_id: UserId) -> bool:
        return server_name_of(user_id) != self._own_name

    async def fields(self, user_id: UserId) -> JsonObject:
        known = self._known.get(user_id)
        if known is None:
            known = await self._asking.run(user_id, lambda: self._ask(user_id))
        if known.fields is None:
            raise NotFound("There is no such user")
        return known.fields

    async def _ask(self, user_id: UserId) -> _Known:
        try:
            told = await self._servers.get_json(
                server_name_of(user_id),
                PATH,
                query={"user_id": user_id},
                timeout=SECONDS,
                max_bytes=_MAX_BYTES,
            )
        except RemoteError as error:
            refusal = for_client(error)
            if not isinstance(refusal, NotFound):
                raise refusal from error
            return self._keep(user_id, _Known(None), UNKNOWN_SECONDS)
        return self._keep(user_id, _Known(_sound(told)), KEPT_SECONDS)

    def _keep(self, user_id: UserId, known: _Known, seconds: float) -> _Known:
        self._known.put(user_id, known, seconds)
        return known


def _sound(told: JsonObject) -> JsonObject:
    """The fields that are set, without a name or picture that is no text."""
    return {
        name: value
        for name, value in told.items()
        if value is not None
        and (name not in (DISPLAY_NAME, AVATAR_URL) or (isinstance(value, str) and value))
    }
