"""What clients may set as power levels, in every room version."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.errors import BadJson
from homeserver.domain.power_levels import DEFAULT_LEVELS, check_power_level_content


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"ban": -5, "users": {"@a:hs": 0}, "events": {}, "notifications": {"room": 50}},
        {"org.example": {"anything": "goes"}},
    ],
)
def test_integers_are_levels(content: dict[str, Any]) -> None:
    check_power_level_content(content)


@pytest.mark.parametrize("level", ["50", 50.0, None, True, [], {}])
def test_nothing_else_is(level: Any) -> None:
    for name in DEFAULT_LEVELS:
        with pytest.raises(BadJson, match=name):
            check_power_level_content({name: level})
    for name in ("users", "events", "notifications"):
        with pytest.raises(BadJson, match=name):
            check_power_level_content({name: {"key": level}})
        with pytest.raises(BadJson, match=name):
            check_power_level_content({name: [level]})
