"""Which servers this one exchanges messages with at all: an allow list and a deny list."""

from __future__ import annotations

from collections.abc import Iterable

from homeserver.domain.globs import Matcher, compile_glob
from homeserver.domain.identifiers import ServerName


class FederationPeers:
    """Allows a server that the allow list names, if there is one, and the deny list does not.

    Entries are globs of server names. One without a port is about the host, whatever its port; the
    case of letters does not count.
    """

    def __init__(self, allow: Iterable[str] | None, deny: Iterable[str] = ()) -> None:
        self._allow = None if allow is None else _compile(allow)
        self._deny = _compile(deny)

    def allows(self, server_name: ServerName) -> bool:
        """Whether to exchange anything with this server."""
        if _matches(self._deny, server_name):
            return False
        return self._allow is None or _matches(self._allow, server_name)


def _compile(globs: Iterable[str]) -> list[Matcher]:
    return [compile_glob(glob.lower()) for glob in globs]


def _matches(matchers: list[Matcher], server_name: ServerName) -> bool:
    name = server_name.lower()
    host, separator, port = name.rpartition(":")
    names = {name, host} if separator and port.isdigit() else {name}
    return any(matches(each) for matches in matchers for each in names)
