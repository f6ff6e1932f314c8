"""Who makes a request."""

from __future__ import annotations

import attrs

from homeserver.domain.identifiers import DeviceId, UserId


@attrs.frozen(slots=True)
class Requester:
    """An authenticated user of this server, and the session the request came through.

    ``token_id`` names the access token within storage. ``device_id`` is None for tokens that belong
    to no device. A guest may call only what the specification lets guests do.
    """

    user_id: UserId
    device_id: DeviceId | None
    token_id: int
    is_guest: bool = False
    is_admin: bool = False
    is_suspended: bool = False
