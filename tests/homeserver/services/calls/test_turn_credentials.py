"""Credentials for TURN servers."""

from __future__ import annotations

from homeserver.domain.identifiers import UserId
from homeserver.services.calls.turn_credentials import TurnCredentials, TurnServers
from tests.clock import FakeClock

ALICE = UserId("@alice:hs")
URIS = ("turn:turn.hs:3478?transport=udp", "turns:turn.hs:5349?transport=tcp")


def test_without_turn_servers_there_is_nothing_to_give_out() -> None:
    assert TurnCredentials(TurnServers(), FakeClock()).of(ALICE) == {}


def test_a_shared_secret_makes_credentials_for_one_user_and_a_while() -> None:
    clock = FakeClock(start_ms=1_700_000_000_999)
    servers = TurnServers(URIS, ttl_seconds=3600, secret="north")

    given = TurnCredentials(servers, clock).of(ALICE)

    # printf '1700003600:@alice:hs' | openssl dgst -sha1 -hmac north -binary | base64
    assert given == {
        "username": "1700003600:@alice:hs",
        "password": "d+idyjRpcynYkk9hz7U0+bV/Jy8=",
        "uris": list(URIS),
        "ttl": 3600,
    }


def test_without_a_shared_secret_everybody_gets_the_same() -> None:
    servers = TurnServers(URIS[:1], username="us", password="open")
    expected = {"username": "us", "password": "open", "uris": [URIS[0]], "ttl": 86_400}
    assert TurnCredentials(servers, FakeClock()).of(ALICE) == expected


def test_secrets_are_not_printed() -> None:
    assert "north" not in repr(TurnServers(URIS, secret="north", password="north"))
