"""Allow and deny lists of servers."""

from __future__ import annotations

import pytest

from homeserver.domain.federation_peers import FederationPeers
from homeserver.domain.identifiers import ServerName


@pytest.mark.parametrize(
    ("allow", "deny", "server", "expected"),
    [
        (None, [], "any.example", True),
        ([], [], "any.example", False),
        (["a.example"], [], "a.example", True),
        (["a.example"], [], "A.Example", True),
        (["a.example"], [], "a.example:8448", True),
        (["a.example:8448"], [], "a.example:8448", True),
        (["a.example:8448"], [], "a.example", False),
        (["*.example"], [], "b.a.example:1", True),
        (["*.example"], [], "example", False),
        (["hs?.example"], [], "hs1.example", True),
        (None, ["evil.example"], "evil.example:443", False),
        (None, ["EVIL.*"], "evil.example", False),
        (["*"], ["evil.example"], "evil.example", False),
        (None, ["[::1]"], "[::1]:8448", False),
        (None, ["[::1"], "[::1]", True),
    ],
)
def test_a_server_is_allowed_or_not(
    allow: list[str] | None, deny: list[str], server: str, expected: bool
) -> None:
    assert FederationPeers(allow, deny).allows(ServerName(server)) is expected


def test_servers_are_blocked_beside_the_deny_list() -> None:
    peers = FederationPeers(None, ["evil.example"])
    peers.block([ServerName("B.example"), ServerName("c.example:8448")])
    assert peers.blocked == {"b.example", "c.example:8448"}
    for name in ("b.example", "b.EXAMPLE:443", "c.example:8448", "evil.example"):
        assert not peers.allows(ServerName(name))
    for name in ("c.example", "a.b.example"):
        assert peers.allows(ServerName(name))
    peers.block([])
    assert peers.allows(ServerName("b.example"))
    assert not peers.allows(ServerName("evil.example"))
