from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeserver.domain.errors import InvalidParam
from homeserver.domain.identifiers import (
    EventId,
    RoomId,
    ServerName,
    UserId,
    is_compliant_user_id,
    is_namespaced_identifier,
    is_opaque_identifier,
    is_valid_localpart,
    localpart_of,
    make_user_id,
    parse_device_id,
    parse_event_id,
    parse_key_id,
    parse_room_alias,
    parse_room_id,
    parse_server_name,
    parse_user_id,
    server_name_of,
)

HASH = "Nhcu5BS-UMnFX7hBVfVSoXiD7OgH6iRT-xyIuqDnpYQ"


@pytest.mark.parametrize(
    "name",
    [
        "matrix.org",
        "matrix.org:8888",
        "1.2.3.4",
        "1.2.3.4:1234",
        "[1234:5678::abcd]",
        "[1234:5678::abcd]:5678",
        "[::ffff:1.2.3.4]",
        "localhost",
        "MATRIX.org",
        "a-b.example",
        "1.2.3",
        "a" * 255,
    ],
)
def test_a_server_name_of_the_grammar_is_accepted(name: str) -> None:
    assert parse_server_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ":8448",
        "matrix.org:",
        "matrix.org:port",
        "matrix.org:123456",
        "matrix.org:65536",
        "matrix.org\n",
        "matrix_org",
        "exämple.org",
        "256.1.1.1",
        "1.2.3.999:8448",
        "1234::abcd",
        "[1234::abcd",
        "[1234:::abcd]",
        "[1.2.3.4]",
        "[fe80::1%eth0]",
        "[]",
        "matrix.org/path",
        "user@matrix.org",
        "a" * 256,
        "example.org:٤٤٣",
    ],
)
def test_a_server_name_outside_of_the_grammar_is_refused(name: str) -> None:
    with pytest.raises(InvalidParam):
        parse_server_name(name)


@pytest.mark.parametrize(
    "user_id",
    [
        "@alice:example.org",
        "@alice:example.org:8448",
        "@alice:[::1]:8448",
        "@a.b_c=d-e/f+g:example.org",
        "@ALICE:example.org",
        "@Älice & Bob!:example.org",
        "@:example.org",
        "@with space\tand tab:example.org",
        "@" + "a" * 242 + ":example.org",
    ],
)
def test_current_and_historical_user_ids_are_accepted(user_id: str) -> None:
    assert parse_user_id(user_id) == user_id


@pytest.mark.parametrize(
    "user_id",
    [
        "",
        "@",
        "alice:example.org",
        "@alice",
        "@alice:",
        "@alice:exa mple.org",
        "@al:ice:example.org",
        "@al\0ice:example.org",
        "@al\ud800ice:example.org",
        "!alice:example.org",
        "@" + "a" * 243 + ":example.org",
        "@" + "é" * 122 + ":example.org",
    ],
)
def test_what_is_no_user_id_is_refused(user_id: str) -> None:
    with pytest.raises(InvalidParam):
        parse_user_id(user_id)


@pytest.mark.parametrize(
    ("localpart", "valid"),
    [
        ("alice", True),
        ("a.b_c=d-e/f+g0", True),
        ("", False),
        ("Alice", False),
        ("älice", False),
        ("alice!", False),
        ("alice\n", False),
        ("al ice", False),
    ],
)
def test_a_new_localpart_must_have_the_current_grammar(localpart: str, valid: bool) -> None:
    assert is_valid_localpart(localpart) is valid


@pytest.mark.parametrize(
    ("user_id", "compliant"),
    [
        ("@alice:example.org", True),
        ("@ALICE!~:example.org", True),
        ("@:example.org", False),
        ("@al ice:example.org", False),
        ("@älice:example.org", False),
    ],
)
def test_user_ids_outside_of_printable_ascii_are_not_compliant(
    user_id: str, compliant: bool
) -> None:
    assert is_compliant_user_id(parse_user_id(user_id)) is compliant


def test_a_user_id_is_made_of_a_localpart_and_a_server_name() -> None:
    assert make_user_id("alice", ServerName("example.org")) == "@alice:example.org"


@pytest.mark.parametrize("localpart", ["a" * 243, "a:b"])
def test_no_user_id_is_made_that_could_not_be_parsed(localpart: str) -> None:
    with pytest.raises(InvalidParam):
        make_user_id(localpart, ServerName("example.org"))


@pytest.mark.parametrize(
    "room_id", ["!abc:example.org", "!a b\x01ü:example.org", "!" + HASH, "!x", "!:example.org"]
)
def test_room_ids_with_and_without_a_domain_are_accepted(room_id: str) -> None:
    assert parse_room_id(room_id) == room_id


@pytest.mark.parametrize(
    "room_id",
    ["", "!", "abc", "#abc:example.org", "!abc:", "!a\0b", "!abc:exa mple", "!" + "a" * 255],
)
def test_what_is_no_room_id_is_refused(room_id: str) -> None:
    with pytest.raises(InvalidParam):
        parse_room_id(room_id)


@pytest.mark.parametrize("alias", ["#room:example.org", "#Räum 1:example.org:8448"])
def test_a_room_alias_is_accepted(alias: str) -> None:
    assert parse_room_alias(alias) == alias


@pytest.mark.parametrize("alias", ["", "#", "#room", "room:example.org", "#a\0:example.org"])
def test_what_is_no_room_alias_is_refused(alias: str) -> None:
    with pytest.raises(InvalidParam):
        parse_room_alias(alias)


@pytest.mark.parametrize(
    "event_id",
    ["$abc:example.org", "$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk", "$" + HASH],
)
def test_event_ids_of_every_room_version_are_accepted(event_id: str) -> None:
    assert parse_event_id(event_id) == event_id


@pytest.mark.parametrize("event_id", ["", "$", "abc:example.org", "$abc:", "$" + "a" * 255])
def test_what_is_no_event_id_is_refused(event_id: str) -> None:
    with pytest.raises(InvalidParam):
        parse_event_id(event_id)


def test_a_device_id_is_any_short_text() -> None:
    assert parse_device_id("GHTYAJCE") == "GHTYAJCE"
    assert parse_device_id("my phone: ü") == "my phone: ü"
    for refused in ("", "a" * 256, "a\0b"):
        with pytest.raises(InvalidParam):
            parse_device_id(refused)


def test_a_key_id_is_an_algorithm_and_a_name() -> None:
    assert parse_key_id("ed25519:a_1") == ("ed25519", "a_1")
    assert parse_key_id("signed_curve25519:AAAA/Q") == ("signed_curve25519", "AAAA/Q")
    for refused in ("", "ed25519", "ed25519:", ":a_1"):
        with pytest.raises(InvalidParam):
            parse_key_id(refused)


@pytest.mark.parametrize(
    ("identifier", "localpart"),
    [("@alice:example.org:8448", "alice"), ("@:example.org", ""), ("!" + HASH, HASH)],
)
def test_the_localpart_ends_at_the_first_colon(identifier: str, localpart: str) -> None:
    assert localpart_of(identifier) == localpart


def test_the_server_name_includes_its_port() -> None:
    assert server_name_of(UserId("@alice:[::1]:8448")) == "[::1]:8448"
    assert server_name_of(RoomId("!r:example.org:8448")) == "example.org:8448"


@pytest.mark.parametrize("identifier", [RoomId("!" + HASH), EventId("$" + HASH)])
def test_a_hash_names_no_server(identifier: RoomId | EventId) -> None:
    with pytest.raises(InvalidParam):
        server_name_of(identifier)


@pytest.mark.parametrize(
    ("raw", "opaque", "namespaced"),
    [
        ("m.text", True, True),
        ("com.example.some-thing_1", True, True),
        ("Upper~Case.1-_", True, False),
        ("1st", True, False),
        ("", False, False),
        ("a b", False, False),
        ("a/b", False, False),
        ("a" * 255, True, True),
        ("a" * 256, False, False),
        ("a\n", False, False),
    ],
)
def test_the_grammars_of_invisible_identifiers(raw: str, opaque: bool, namespaced: bool) -> None:
    assert is_opaque_identifier(raw) is opaque
    assert is_namespaced_identifier(raw) is namespaced


@given(
    st.text(
        alphabet=st.characters(exclude_categories=["Cs"], exclude_characters=":\0"), max_size=50
    )
)
def test_any_localpart_of_another_server_survives_parsing(localpart: str) -> None:
    user_id = parse_user_id(f"@{localpart}:example.org:8448")

    assert localpart_of(user_id) == localpart
    assert server_name_of(user_id) == "example.org:8448"


@pytest.mark.parametrize(
    "parse", [parse_user_id, parse_room_id, parse_room_alias, parse_event_id, parse_device_id]
)
@given(raw=st.text(alphabet=st.characters(exclude_categories=[]), max_size=300))
def test_parsing_answers_every_text_with_itself_or_invalid_param(
    parse: Callable[[str], str], raw: str
) -> None:
    try:
        assert parse(raw) == raw
    except InvalidParam:
        return
    assert len(raw.encode()) <= 255
