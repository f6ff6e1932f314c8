"""Which of two keys of a session a backup keeps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from homeserver.domain.identifiers import RoomId
from homeserver.domain.key_backup import BackedUpKey

ROOM = RoomId("!room:hs")

keys = st.builds(
    BackedUpKey,
    room_id=st.just(ROOM),
    session_id=st.just("session"),
    first_message_index=st.integers(0, 3),
    forwarded_count=st.integers(0, 3),
    is_verified=st.booleans(),
    session_data=st.just(b"{}"),
)


def kept_by_the_letter(stored: BackedUpKey, new: BackedUpKey) -> BackedUpKey:
    """The rules as the specification words them."""
    if stored.is_verified != new.is_verified:
        return new if new.is_verified else stored
    if stored.first_message_index != new.first_message_index:
        return new if new.first_message_index < stored.first_message_index else stored
    return new if new.forwarded_count < stored.forwarded_count else stored


@given(keys, keys)
def test_the_kept_key_is_that_of_the_specification(stored: BackedUpKey, new: BackedUpKey) -> None:
    kept = new if new.replaces(stored.rank) else stored

    assert kept is kept_by_the_letter(stored, new)
