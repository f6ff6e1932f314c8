"""What tests of the authorisation rules share."""

from __future__ import annotations

import pytest

from homeserver.domain.auth_rules import check_event_auth
from homeserver.domain.errors import Forbidden
from homeserver.domain.events import Event
from homeserver.domain.room_versions import ROOM_VERSIONS
from tests.homeserver.domain.event_factory import Branch


def versions(first: int = 1, last: int = 12) -> pytest.MarkDecorator:
    """Runs a test with the identifiers of these room versions as its argument ``version``."""
    identifiers = [version for version in ROOM_VERSIONS if first <= int(version) <= last]
    return pytest.mark.parametrize("version", identifiers, ids=lambda version: f"v{version}")


def is_allowed(branch: Branch, event: Event) -> bool:
    """Whether the rules allow ``event`` after the last event of ``branch``."""
    try:
        check_event_auth(event, branch.state, branch.room.create)
    except Forbidden:
        return False
    return True


def assert_forbidden(branch: Branch, event: Event, because: str) -> None:
    """Check that the rules forbid ``event`` on ``branch`` and say so."""
    with pytest.raises(Forbidden, match=because):
        check_event_auth(event, branch.state, branch.room.create)
