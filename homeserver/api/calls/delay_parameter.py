"""The parameter by which a request to send an event asks that it is sent later (MSC4140).

It stands in the query of the operations that send events, as clients use it today; the proposal has
since made an operation of its own of it, see :mod:`homeserver.api.calls.delayed_events`.
"""

from __future__ import annotations

import re
from typing import Final

from homeserver.domain.errors import InvalidParam
from homeserver.http.request import Request

_DELAY: Final = "org.matrix.msc4140.delay"
_PARENT: Final = "org.matrix.msc4140.parent_delay_id"
_MILLISECONDS: Final = re.compile(r"[0-9]{1,15}", re.ASCII)


def requested_delay(request: Request) -> int | None:
    """How many milliseconds an event is to wait; None when it is to be sent now.

    Raises InvalidParam, also for events that are to depend on another delayed one: that is from an
    early form of the proposal, and sending such an event at once would be wrong.
    """
    if "msc4140" not in request.query_string:
        return None
    if request.query_value(_PARENT) is not None:
        raise InvalidParam("Delayed events do not depend on each other here")
    text = request.query_value(_DELAY)
    if text is None:
        return None
    if _MILLISECONDS.fullmatch(text) is None:
        raise InvalidParam(f"{_DELAY} must be a positive number of milliseconds")
    return int(text)
