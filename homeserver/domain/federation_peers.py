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
        self._blocked: frozenset[ServerName] = frozenset()

    @property
    def blocked(self) -> frozenset[ServerName]:
        """The servers that are denied while the server runs, in lower case."""
        return self._blocked

    def block(self, server_names: Iterable[ServerName]) -> None:
        """Deny these servers from now on, beside the deny list, and no others any more."""
        self._blocked = frozenset(ServerName(name.lower()) for name in server_names)

    def allows(self, server_name: ServerName) -> bool:
        """Whether to exchange anything with this server."""
        names = _names(server_name)
        if not self._blocked.isdisjoint(names) or _matches(self._deny, names):
            return False
        return self._allow is None or _matches(self._allow, names)


def _compile(globs: Iterable[str]) -> list[Matcher]:
    return [compile_glob(glob.lower()) for glob in globs]


def _names(server_name: ServerName) -> set[str]:
    """The name, and without its port."""
    name = server_name.lower()
    host, separator, port = name.rpartition(":")
    return {name, host} if separator and port.isdigit() else {name}


def _matches(matchers: list[Matcher], names: set[str]) -> bool:
    return any(matches(each) for matches in matchers for each in names)
