"""The same history through every kind of sync: whatever happens, all clients of a user end up with
the same rooms, and that is what the plain API tells.

A failing history is printed, as small as it can be made. ``SYNC_FACES_EXAMPLES=2000`` in the
environment lives through more of them, each time others.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

import attrs
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from synctest.models.classic_client import ClassicClient
from synctest.models.known import JsonObject, KnownRoom, ModelClient, ReceiptKey
from synctest.models.sliding_client import SlidingClient, Window
from tests.deferreds import on_event_loop
from tests.synctest.sync_actions import SIZES, Action, histories
from tests.synctest.sync_world import (
    NAMES,
    FacesServer,
    Follower,
    TrueRoom,
    Truth,
    World,
    sharded,
    truth_of,
)

EXAMPLES = int(os.environ.get("SYNC_FACES_EXAMPLES", "0"))

ALL_ROOMS = SIZES[0]

thoroughly = settings(
    max_examples=EXAMPLES or 40,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    print_blob=False,
)


def followers(limit: int, *, fills_gaps: bool) -> list[Follower]:
    """Three clients of everyone, each with its own kind of sync."""
    made = []
    for name in NAMES:
        user_id, window = f"@{name}:hs", Window(ALL_ROOMS, limit)
        models: dict[str, ModelClient] = {
            "CLASSIC": ClassicClient(user_id, timeline_limit=limit),
            "UNSTABLE": SlidingClient(user_id, window, is_stable=False),
            "STABLE": SlidingClient(user_id, window, is_stable=True),
        }
        made += [Follower(name, kind, model, fills_gaps) for kind, model in models.items()]
    return made


@attrs.frozen
class Setting:
    """Under what conditions a history is lived through. A ``rooms_budget`` of nothing means that
    rooms are hardly ever in memory."""

    limit: int = 5
    fills_gaps: bool = True
    shards: int = 1
    rooms_budget: int = 10**9


async def live_through(history: list[Action], setting: Setting) -> World:
    """A history from beginning to end."""
    server = FacesServer(sharded(setting.shards), rooms_budget=setting.rooms_budget)
    world = World(server, followers(setting.limit, fills_gaps=setting.fills_gaps))
    await world.begin()
    for action in history:
        await world.do(action)
    return world


async def check(world: World, last: Window) -> None:
    """Every client agrees with the truth, and so with every other one of its user: first of what is
    in the window that it looks at last, then of all rooms."""
    truths = {name: await truth_of(world, name) for name in NAMES}
    for window in (last, Window(ALL_ROOMS, last.timeline_limit)):
        for follower in world.followers:
            if isinstance(follower.model, SlidingClient):
                follower.model.window = window
            await world.catch_up(follower)
            checked = Check(world, follower, truths[follower.name])
            checked.personal()
            checked.window(window.size)
    for follower in world.followers:
        Check(world, follower, truths[follower.name]).memberships()


@attrs.frozen
class Check:
    """What one client knows, against the truth."""

    world: World
    follower: Follower
    truth: Truth

    def memberships(self) -> None:
        """What the user is to which room."""
        known = self.follower.model.rooms
        standing = {room_id: room.membership for room_id, room in known.items()}
        present = {"join", "invite", "knock"}
        assert {r: m for r, m in standing.items() if m in present} == {
            **dict.fromkeys(self.truth.rooms, "join"),
            **self.truth.pending,
        }, self.follower

    def window(self, size: int) -> None:
        """The rooms that have been active last."""
        for room_id in self.truth.activity[:size]:
            if room_id in self.truth.rooms:
                known = self.follower.model.rooms[room_id]
                self.room(room_id, known, self.truth.rooms[room_id])

    def room(self, room_id: str, known: KnownRoom, true: TrueRoom) -> None:
        """One that the user is in."""
        where = (self.follower, room_id)
        length = len(known.events)
        assert known.events == true.events[len(true.events) - length :], where
        assert length == len(true.events) or not self.follower.fills_gaps, where
        assert known.state == true.state, where
        if not self._is_stable:
            assert known.unread == true.unread, where
        if not self.world.ledger.typing_lost:
            assert known.typing == true.typing, where
        kept = self.world.ledger.kept[self.follower.model.user_id, room_id]
        assert _not_removed(known.account_data) == _not_removed(kept), where
        self._receipts(room_id, known, true)

    def personal(self) -> None:
        """What does not belong to a room."""
        model = self.follower.model
        numbers = [message["content"]["number"] for message in model.to_device]
        assert numbers == self.world.ledger.mail[model.user_id], self.follower
        kept = self.world.ledger.kept[model.user_id, None]
        known = {type: content for type, content in model.account_data.items() if type in kept}
        assert _not_removed(known) == _not_removed(kept), self.follower
        assert "m.push_rules" in model.account_data

    def _receipts(self, room_id: str, known: KnownRoom, true: TrueRoom) -> None:
        theirs = told_apart(true.receipts)
        for key, event in theirs.items():
            if key not in known.receipts and self._may_lack(room_id, known, key, event):
                continue
            assert known.receipts.get(key) == event, (self.follower, room_id, key)
        for (user, type, thread), event in known.receipts.items():
            at = {theirs.get((user, type, thread)), theirs.get((user, type, ""))}
            assert event in at, (self.follower, room_id, user, type, thread)

    def _may_lack(self, room_id: str, known: KnownRoom, key: ReceiptKey, event: str) -> bool:
        """Sliding sync tells of a room from scratch without the receipts of others at events that
        it does not tell."""
        moved = self.world.ledger.moved[room_id, *key]
        return (
            isinstance(self.follower.model, SlidingClient)
            and key[0] != self.follower.model.user_id
            and moved <= known.told_at
            and event not in known.initial_events
        )

    @property
    def _is_stable(self) -> bool:
        model = self.follower.model
        return isinstance(model, SlidingClient) and model.is_stable


def _not_removed(data: Mapping[str, JsonObject]) -> dict[str, JsonObject]:
    return {type: content for type, content in data.items() if content}


def told_apart(receipts: Mapping[ReceiptKey, str]) -> dict[ReceiptKey, str]:
    """Without threaded receipts at events where an unthreaded one stands too: there is no place for
    both in an answer, and that one reads all threads."""
    return {
        (user, type, thread): event
        for (user, type, thread), event in receipts.items()
        if not thread or receipts.get((user, type, "")) != event
    }


@thoroughly
@given(
    histories(80),
    st.builds(
        Setting,
        limit=st.sampled_from([1, 5, 20]),
        fills_gaps=st.booleans(),
        shards=st.sampled_from([1, 3]),
        rooms_budget=st.sampled_from([10**9, 1]),
    ),
    st.builds(Window, st.sampled_from(SIZES), st.sampled_from([1, 20])),
)
def test_all_clients_of_a_user_end_up_with_the_truth(
    history: list[Action], setting: Setting, last: Window
) -> None:
    async def run() -> None:
        await check(await live_through(history, setting), last)

    asyncio.run(on_event_loop(run()))
