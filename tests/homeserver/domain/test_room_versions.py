from __future__ import annotations

import attrs
import pytest

from homeserver.domain.errors import UnsupportedRoomVersion
from homeserver.domain.room_versions import (
    DEFAULT_ROOM_VERSION,
    ROOM_VERSIONS,
    EventFormat,
    StateResolutionVersion,
    room_version,
)

SINCE = {
    "strict_canonical_json": 6,
    "enforce_key_validity": 5,
    "redactions_always_authorised": 3,
    "limit_notifications_power_levels": 6,
    "integer_power_levels": 10,
    "knock_join_rule": 7,
    "restricted_join_rule": 8,
    "knock_restricted_join_rule": 10,
    "redacts_in_content": 11,
    "room_id_is_create_hash": 12,
    "privileged_creators": 12,
}
UNTIL = {
    "special_case_aliases_auth": 5,
    "creator_in_create_content": 10,
    "create_in_auth_events": 11,
}
NUMBERS = range(1, 13)


def test_the_twelve_versions_of_the_specification_are_supported_and_stable() -> None:
    assert list(ROOM_VERSIONS) == [str(number) for number in NUMBERS]
    assert all(version.stable for version in ROOM_VERSIONS.values())
    assert DEFAULT_ROOM_VERSION == "12"


@pytest.mark.parametrize("number", NUMBERS)
def test_each_rule_begins_and_ends_with_its_version(number: int) -> None:
    version = attrs.asdict(room_version(str(number)), recurse=False)

    assert {rule: version[rule] for rule in SINCE} == {r: number >= n for r, n in SINCE.items()}
    assert {rule: version[rule] for rule in UNTIL} == {r: number <= n for r, n in UNTIL.items()}
    assert version["max_depth"] == (2**63 - 1 if number < 6 else 2**53 - 1)


@pytest.mark.parametrize("number", NUMBERS)
def test_each_version_has_its_event_format_and_state_resolution(number: int) -> None:
    version = room_version(str(number))
    formats = {1: EventFormat.V1, 2: EventFormat.V1, 3: EventFormat.V3}
    resolutions = {1: StateResolutionVersion.V1, 12: StateResolutionVersion.V2_1}

    assert version.event_format is formats.get(number, EventFormat.V4)
    assert version.state_resolution is resolutions.get(number, StateResolutionVersion.V2)


@pytest.mark.parametrize("identifier", ["", "0", "13", "1.0", "org.example.custom"])
def test_other_versions_are_not_supported(identifier: str) -> None:
    with pytest.raises(UnsupportedRoomVersion):
        room_version(identifier)


def test_a_version_cannot_be_changed() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        room_version("1").stable = False  # type: ignore[misc]
