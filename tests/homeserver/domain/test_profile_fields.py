"""What may stand in a profile."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.errors import BadJson, InvalidParam, KeyTooLarge, ProfileTooLarge
from homeserver.domain.profile_fields import (
    MAX_PROFILE_BYTES,
    check_field_name,
    encode_profile,
    with_field,
    without_field,
)


@pytest.mark.parametrize(
    "name", ["displayname", "avatar_url", "m.tz", "org.example.job_title", "org.ex-ample.x"]
)
def test_known_and_namespaced_names_are_accepted(name: str) -> None:
    check_field_name(name)


@pytest.mark.parametrize(
    "name", ["", "nickname", "Org.example.x", "org.example.Ä", ".x.y", "1.x", "a b.c", "org.x/y"]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidParam):
        check_field_name(name)


def test_a_name_has_at_most_255_bytes() -> None:
    check_field_name("m." + "a" * 253)
    with pytest.raises(KeyTooLarge):
        check_field_name("m." + "a" * 254)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("displayname", "Alice 🦊"),
        ("avatar_url", "mxc://example.org/abc-DEF_1"),
        ("avatar_url", "mxc://[::1]:8448/abc"),
        ("m.tz", "America/Argentina/Buenos_Aires"),
        ("m.tz", "Etc/GMT+5"),
        ("org.example.anything", None),
        ("org.example.anything", [1.5, {"a": None}]),
    ],
)
def test_values_that_suit_their_field_are_set(name: str, value: Any) -> None:
    assert with_field({"m.tz": "UTC", "a.b": 1}, name, value) == {
        "m.tz": "UTC",
        "a.b": 1,
        name: value,
    }


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("displayname", None, BadJson),
        ("displayname", 7, BadJson),
        ("displayname", "a" * 257, InvalidParam),
        ("displayname", "a\0b", InvalidParam),
        ("avatar_url", None, BadJson),
        ("avatar_url", ["mxc://hs/a"], BadJson),
        ("avatar_url", "https://example.org/a.png", InvalidParam),
        ("avatar_url", "mxc://example.org/a/b", InvalidParam),
        ("avatar_url", "mxc://example org/a", InvalidParam),
        ("avatar_url", "mxc://example.org/" + "a" * 1000, InvalidParam),
        ("m.tz", 1, BadJson),
        ("m.tz", "Europe Paris", InvalidParam),
        ("m.tz", "/Paris", InvalidParam),
        ("org.example.text", "\ud800", BadJson),
    ],
)
def test_values_that_do_not_suit_their_field_are_refused(
    name: str, value: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        with_field({}, name, value)


@pytest.mark.parametrize("name", ["displayname", "avatar_url"])
def test_an_empty_name_or_picture_is_none_at_all(name: str) -> None:
    assert with_field({name: "x", "m.tz": "UTC"}, name, "") == {"m.tz": "UTC"}


def test_a_profile_has_at_most_64_kib() -> None:
    overhead = len(encode_profile({"a.b": ""}))
    value = "x" * (MAX_PROFILE_BYTES - overhead)
    full = with_field({}, "a.b", value)
    assert len(encode_profile(full)) == MAX_PROFILE_BYTES
    with pytest.raises(ProfileTooLarge):
        with_field({}, "a.b", value + "x")
    with pytest.raises(ProfileTooLarge):
        with_field(full, "displayname", "Alice")


def test_a_field_is_deleted() -> None:
    assert without_field({"displayname": "x", "m.tz": "UTC"}, "displayname") == {"m.tz": "UTC"}
    assert without_field({"m.tz": "UTC"}, "displayname") == {"m.tz": "UTC"}
