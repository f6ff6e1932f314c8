"""Whom a client means."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.errors import BadJson, InvalidParam, MissingParam
from homeserver.domain.identifiers import ServerName
from homeserver.services.accounts.user_identifiers import (
    UnknownThirdPartyIdentifier,
    identified_user,
)

SERVER = ServerName("hs:8448")


@pytest.mark.parametrize("user", ["alice", "Alice", "@alice:hs:8448", "@ALICE:hs:8448"])
def test_a_user_of_this_server_is_found_by_name_and_by_id(user: str) -> None:
    identifier = {"type": "m.id.user", "user": user}

    assert identified_user({"identifier": identifier}, SERVER) == "@alice:hs:8448"
    assert identified_user({"user": user}, SERVER) == "@alice:hs:8448"


@pytest.mark.parametrize(
    "user",
    ["", "@", "@alice", "@alice:elsewhere", "al ice", "al\0ice", "ålice", "@:hs:8448", "x" * 255],
)
def test_others_cannot_be_users_of_this_server(user: str) -> None:
    assert identified_user({"identifier": {"type": "m.id.user", "user": user}}, SERVER) is None


def test_an_identifier_counts_more_than_the_older_field() -> None:
    credentials = {"identifier": {"type": "m.id.user", "user": "alice"}, "user": "bob"}

    assert identified_user(credentials, SERVER) == "@alice:hs:8448"


@pytest.mark.parametrize(
    "credentials",
    [
        {"identifier": {"type": "m.id.thirdparty", "medium": "email", "address": "a@b.c"}},
        {"identifier": {"medium": "email", "address": "a@b.c"}},
        {"identifier": {"type": "m.id.phone", "country": "GB", "phone": "1"}},
        {"medium": "email", "address": "a@b.c"},
    ],
)
def test_nobody_is_known_by_a_third_party_identifier(credentials: dict[str, Any]) -> None:
    with pytest.raises(UnknownThirdPartyIdentifier) as caught:
        identified_user(credentials, SERVER)

    assert caught.value.status == 403
    assert caught.value.body()["errcode"] == "M_FORBIDDEN"


@pytest.mark.parametrize(
    ("credentials", "error"),
    [
        ({}, MissingParam),
        ({"identifier": {}}, MissingParam),
        ({"identifier": {"type": "m.id.user"}}, MissingParam),
        ({"identifier": "alice"}, BadJson),
        ({"identifier": {"type": "m.id.user", "user": 1}}, BadJson),
        ({"user": ["alice"]}, BadJson),
        ({"identifier": {"type": "m.id.shoe_size", "size": 9}}, InvalidParam),
        ({"identifier": {"type": 1}}, InvalidParam),
    ],
)
def test_malformed_identifiers_are_refused(
    credentials: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        identified_user(credentials, SERVER)
