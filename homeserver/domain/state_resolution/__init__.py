"""State resolution: what the state of a room is where branches of its history meet.

Specification: room versions, "State resolution".
"""

from homeserver.domain.state_resolution.resolution import resolve_state

__all__ = ["resolve_state"]
