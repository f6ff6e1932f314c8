from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.server_acl import is_server_allowed

EVERYBODY: dict[str, Any] = {"allow": ["*"]}


def test_without_a_list_every_server_is_allowed() -> None:
    assert is_server_allowed(None, "evil.com")


@pytest.mark.parametrize("content", [{}, {"deny": []}, {"allow": []}, {"deny": ["evil.com"]}])
def test_with_a_list_only_servers_that_it_allows_are_allowed(content: dict[str, Any]) -> None:
    assert not is_server_allowed(content, "good.com")


def test_denying_comes_before_allowing() -> None:
    content = {"allow": ["*", "evil.com"], "deny": ["evil.com"]}
    assert not is_server_allowed(content, "evil.com")
    assert is_server_allowed(content, "good.com")


@pytest.mark.parametrize(
    ("glob", "server", "matches"),
    [
        ("evil.com", "evil.com", True),
        ("evil.com", "evil.com:8448", True),
        ("evil.com", "not-evil.com", False),
        ("evil.com", "evil.com.org", False),
        ("evil.com", "evilxcom", False),
        ("*.evil.com", "a.b.evil.com", True),
        ("*.evil.com", "evil.com", False),
        ("*evil.com", "evil.com", True),
        ("evil*", "evil.com", True),
        ("e*l.c*m", "evil.com", True),
        ("e*l.c*m", "evil.net", False),
        ("*", "[2001:db8::1]:8448", True),
        ("evil.???", "evil.com", True),
        ("evil.???", "evil.info", False),
        ("[ae]vil.com", "evil.com", False),
        ("EVIL.com", "evil.COM", True),
        ("", "evil.com", False),
        ("[2001:db8::*]", "[2001:db8::1]", True),
        ("evil.com:8448", "evil.com:8448", False),
    ],
)
def test_entries_are_globs_over_the_name_without_port(
    glob: str, server: str, matches: bool
) -> None:
    assert is_server_allowed({"allow": [glob]}, server) == matches
    assert is_server_allowed({**EVERYBODY, "deny": [glob]}, server) != matches


@pytest.mark.parametrize(
    "server", ["1.2.3.4", "1.2.3.4:8448", "[::1]", "[::1]:8448", "[2001:DB8::1]"]
)
def test_servers_with_ip_literals_as_names_can_be_denied(server: str) -> None:
    assert is_server_allowed(EVERYBODY, server)
    assert is_server_allowed({**EVERYBODY, "allow_ip_literals": True}, server)
    assert not is_server_allowed({**EVERYBODY, "allow_ip_literals": False}, server)


@pytest.mark.parametrize("server", ["1.2.3.example", "example.org", "1.2.3.4.5"])
def test_dns_names_are_no_ip_literals(server: str) -> None:
    assert is_server_allowed({**EVERYBODY, "allow_ip_literals": False}, server)


@pytest.mark.parametrize("allow_ip_literals", [None, 0, "false", []])
def test_only_false_denies_ip_literals(allow_ip_literals: Any) -> None:
    content = {**EVERYBODY, "allow_ip_literals": allow_ip_literals}
    assert is_server_allowed(content, "1.2.3.4")


@pytest.mark.parametrize("malformed", [None, "*", {"*": 1}, 1])
def test_a_malformed_list_is_empty(malformed: Any) -> None:
    assert not is_server_allowed({"allow": malformed}, "good.com")
    assert is_server_allowed({**EVERYBODY, "deny": malformed}, "good.com")


def test_malformed_entries_are_passed_over() -> None:
    assert is_server_allowed({"allow": [None, 1, ["*"], "good.com"]}, "good.com")


def test_many_stars_do_not_keep_the_server_busy() -> None:
    content = {**EVERYBODY, "deny": ["*a" * 100 + "b"]}
    assert is_server_allowed(content, "a" * 250)
