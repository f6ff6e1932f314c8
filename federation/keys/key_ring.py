"""The verification keys of all servers.

Server-server API, "Retrieving server keys".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import attrs

from federation.keys.key_book import KeyBook
from federation.keys.key_fetching import KeyFetching, Wanted
from federation.keys.key_response import MAX_VALIDITY_MS
from federation.keys.own_keys import OwnKeys
from homeserver.domain.identifiers import ServerName
from homeserver.ports.clock import Clock

AT_ANY_TIME = 0
"""For what is signed in rooms whose version does not look at the validity of keys."""


@attrs.frozen(slots=True)
class KeyRequest:
    """A key that must have been good at some time, in milliseconds, or `AT_ANY_TIME`."""

    server: ServerName
    key_id: str
    valid_at_ms: int


class KeyRing:
    """Finds keys: in memory, in the database, then over the network, in the order of ``fetching``:
    usually from the server itself, then from notaries."""

    def __init__(
        self, own: OwnKeys, book: KeyBook, fetching: Sequence[KeyFetching], clock: Clock
    ) -> None:
        self.server = own.server
        self._own = own
        self._book = book
        self._fetching = tuple(fetching)
        self._clock = clock

    async def keys_for(self, requests: Collection[KeyRequest]) -> dict[KeyRequest, str]:
        """The keys, in unpadded Base64, of those requests for which there is one.

        Never raises for what other servers do. Raises DatabaseDown.
        """
        found: dict[KeyRequest, str] = {}
        missing = self._collect(requests, found)
        if missing:
            await self._book.load({request.server for request in missing})
            missing = self._collect(missing, found)
        for fetching in self._fetching:
            if not missing:
                break
            await fetching.fetch(_wanted(missing))
            missing = self._collect(missing, found)
        return found

    def _collect(
        self, requests: Iterable[KeyRequest], found: dict[KeyRequest, str]
    ) -> list[KeyRequest]:
        """Add to ``found`` what is in memory; the requests that others may still have keys for."""
        # Nobody can say of a key that it is good for longer than this.
        limit_ms = self._clock.now_ms() + MAX_VALIDITY_MS
        missing = []
        for request in requests:
            key = self._remembered(request)
            if key is not None:
                found[request] = key
            elif request.server != self.server and request.valid_at_ms <= limit_ms:
                missing.append(request)
        return missing

    def _remembered(self, request: KeyRequest) -> str | None:
        """A key in unpadded Base64, if it is in memory."""
        if request.server == self.server:
            return self._own.verify_key(request.key_id, request.valid_at_ms)
        known = self._book.find(request.server, request.key_id)
        if known is None or known.valid_until_ms < request.valid_at_ms:
            return None
        return known.verify_key


def _wanted(requests: Iterable[KeyRequest]) -> Wanted:
    wanted: dict[ServerName, dict[str, int]] = {}
    for request in requests:
        keys = wanted.setdefault(request.server, {})
        keys[request.key_id] = max(request.valid_at_ms, keys.get(request.key_id, 0))
    return wanted
