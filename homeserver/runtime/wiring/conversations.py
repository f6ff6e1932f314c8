"""Rooms as people use them, put together."""

from __future__ import annotations

from homeserver.http.routes import Api
from homeserver.runtime.wiring.foundation import Foundation
from homeserver.runtime.wiring.personal import PersonalArea
from homeserver.runtime.wiring.rooms import RoomsCore


def build_conversations(on: Foundation, rooms: RoomsCore, personal: PersonalArea) -> list[Api]:
    """Everything that changes or lists rooms."""
    return []
