"""Whether a user wants to be invited: the account data m.invite_permission_config.

Client-server API, "Invite permission".
"""

from __future__ import annotations

from typing import Final

import msgspec

INVITE_PERMISSION: Final = "m.invite_permission_config"


def blocks_invites(content: bytes) -> bool:
    """Whether a user with this content of the account data, a JSON object, wants no invites."""
    try:
        settings = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return False
    return isinstance(settings, dict) and settings.get("default_action") == "block"
