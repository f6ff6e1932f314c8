"""The state that a new room begins with."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.identifiers import UserId
from homeserver.domain.room_presets import Preset, initial_power_levels, preset_state
from homeserver.domain.room_versions import ROOM_VERSIONS, room_version
from tests.homeserver.domain.event_factory import ALICE, BOB


def levels(version: str, **options: Any) -> dict[str, Any]:
    return initial_power_levels(room_version(version), ALICE, **options)


@pytest.mark.parametrize("version", ROOM_VERSIONS)
def test_members_may_talk_and_invite_and_nothing_more(version: str) -> None:
    content = levels(version)

    assert (content["events_default"], content["invite"], content["users_default"]) == (0, 0, 0)
    assert all(content[name] == 50 for name in ("state_default", "ban", "kick", "redact"))
    assert content["events"]["m.room.power_levels"] == 100


def test_creators_are_listed_unless_they_are_privileged() -> None:
    equals = [BOB, UserId("@carol:hs")]

    assert levels("11", equals=equals)["users"] == dict.fromkeys([ALICE, *equals], 100)
    assert levels("12", equals=equals)["users"] == {}


@pytest.mark.parametrize(("version", "level"), [("11", 100), ("12", 150)])
def test_who_may_replace_the_room(version: str, level: int) -> None:
    assert levels(version)["events"]["m.room.tombstone"] == level


@pytest.mark.parametrize(
    ("override", "events"),
    [
        ({"events": {"a": 1}}, {"a": 1, "m.room.tombstone": 150}),
        ({"events": {"m.room.tombstone": 60}}, {"m.room.tombstone": 60}),
        ({"events": {}}, {"m.room.tombstone": 150}),
    ],
)
def test_an_override_says_who_may_replace_the_room(
    override: dict[str, Any], events: dict[str, int]
) -> None:
    assert levels("12", override=override)["events"] == events


def test_an_override_replaces_whole_properties() -> None:
    content = levels("11", override={"users": {BOB: 5}, "kick": 0})

    assert (content["users"], content["kick"], content["ban"]) == ({BOB: 5}, 0, 50)


def test_spaces_are_not_for_talking() -> None:
    assert levels("12", room_type="m.space")["events_default"] == 100
    override = {"events_default": 0}
    assert levels("12", room_type="m.space", override=override)["events_default"] == 0


def test_contents_are_not_shared() -> None:
    levels("12")["events"]["m.room.name"] = 0
    preset_state(Preset.PUBLIC_CHAT)["m.room.join_rules"]["join_rule"] = "invite"

    assert levels("12")["events"]["m.room.name"] == 50
    assert preset_state(Preset.PUBLIC_CHAT)["m.room.join_rules"] == {"join_rule": "public"}
