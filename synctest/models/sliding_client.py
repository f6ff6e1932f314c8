"""A client of simplified sliding sync, MSC4186, in either of its shapes."""

from __future__ import annotations

import attrs

from synctest.models.known import MEMBER, Gap, Inconsistent, JsonObject, KnownRoom, SyncRequest

STABLE_PATH = "/_matrix/client/v4/sync"
UNSTABLE_PATH = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"

EXTENSIONS = ("to_device", "e2ee", "account_data", "receipts", "typing")


@attrs.frozen
class Window:
    """What a client asks for in its one list: the first ``size`` rooms, each with some events."""

    size: int
    timeline_limit: int


class SlidingClient:
    """Keeps a window of its rooms current, with all state and all extensions. See `ModelClient`.

    The window may be changed between requests. ``counts`` are the numbers of rooms in the list that
    the server told last.
    """

    def __init__(self, user_id: str, window: Window, *, is_stable: bool) -> None:
        self.user_id = user_id
        self.window = window
        self.is_stable = is_stable
        self.pos: str | None = None
        self.count = 0
        self.rooms: dict[str, KnownRoom] = {}
        self.account_data: dict[str, JsonObject] = {}
        self.to_device: list[JsonObject] = []
        self.is_behind = True
        self._to_device_since: str | None = None

    def request(self, timeout_ms: int = 0) -> SyncRequest:
        """See `ModelClient`."""
        limit, last = self.window.timeline_limit, self.window.size - 1
        extensions: JsonObject = {name: {"enabled": True} for name in EXTENSIONS}
        if self._to_device_since is not None:
            extensions["to_device"]["since"] = self._to_device_since
        body: JsonObject = {"conn_id": "main", "extensions": extensions}
        if self.is_stable:
            required: JsonObject = {"include": [{}]}
            asked = {"range": [0, last], "timeline_limit": limit, "required_state": required}
            body |= {"lists": {"all": asked}, "timeout": timeout_ms}
            if self.pos is not None:
                body["pos"] = self.pos
            return SyncRequest("POST", STABLE_PATH, {}, body)
        everything = [["*", "*"]]
        body["lists"] = {
            "all": {"ranges": [[0, last]], "timeline_limit": limit, "required_state": everything}
        }
        query = {"timeout": str(timeout_ms)}
        if self.pos is not None:
            query["pos"] = self.pos
        return SyncRequest("POST", UNSTABLE_PATH, query, body)

    def take_in(self, answer: JsonObject, now: int) -> list[Gap]:
        """See `ModelClient`."""
        gaps: list[Gap] = []
        for room_id, told in answer.get("rooms", {}).items():
            gaps += self._take_room(room_id, told, now)
        extensions = answer.get("extensions", {})
        self._take_extensions(extensions)
        if "all" in answer.get("lists", {}):
            self.count = answer["lists"]["all"]["count"]
        messages = extensions.get("to_device", {}).get("events", ())
        self.is_behind = bool(self.pos is None or answer.get("rooms") or messages)
        self.pos = answer["pos"]
        return gaps

    def _take_room(self, room_id: str, told: JsonObject, now: int) -> list[Gap]:
        is_initial = told.get("initial", False)
        events = told.get("timeline", [])
        room = self.rooms.get(room_id)
        if is_initial:
            seen = frozenset(event["event_id"] for event in events)
            room = self.rooms[room_id] = KnownRoom(initial_events=seen, told_at=now)
        if room is None:
            raise Inconsistent(f"{room_id} was never told from scratch")
        stripped = told.get("stripped_state" if self.is_stable else "invite_state")
        if stripped is not None:
            room.stripped = stripped
            room.membership = self._membership_in(stripped)
        room.take_state(told.get("required_state", ()), self.user_id)
        if self.is_stable and "membership" in told:
            room.membership = told["membership"]
        if "notification_count" in told or "highlight_count" in told:
            room.unread = (told["notification_count"], told["highlight_count"])
        index = len(room.events)
        overlaps = self._take_timeline(room_id, room, told, events)
        if told.get("limited", False) and "prev_batch" in told and not overlaps:
            return [Gap(room_id, told["prev_batch"], index)]
        return []

    def _take_timeline(
        self, room_id: str, room: KnownRoom, told: JsonObject, events: list[JsonObject]
    ) -> bool:
        """Take events in; whether some of them were known already, as may be when the timeline is
        expanded."""
        if self._is_expanded(told):
            # What is older comes with its receipts.
            room.initial_events |= {event["event_id"] for event in events}
        older = room.events[:]
        repeated = room.take_events(events)
        if not repeated:
            return False
        if not self._is_expanded(told):
            raise Inconsistent(f"{room_id}: {repeated} came a second time")
        # What is older than all that was known goes before it.
        ids = [event["event_id"] for event in events]
        before = ids[: ids.index(repeated[0])]
        room.events = [*before, *(i for i in room.events if i not in before)]
        if repeated != older[-len(repeated) :]:
            raise Inconsistent(f"{room_id}: {repeated} is not how {older} ended")
        return True

    def _is_expanded(self, told: JsonObject) -> bool:
        name = "expanded_timeline" if self.is_stable else "unstable_expanded_timeline"
        return bool(told.get(name, False))

    def _membership_in(self, stripped: list[JsonObject]) -> str:
        for event in stripped:
            if (event["type"], event["state_key"]) == (MEMBER, self.user_id):
                return str(event["content"]["membership"])
        raise Inconsistent("stripped state does not tell the membership of its reader")

    def _take_extensions(self, extensions: JsonObject) -> None:
        mail = extensions.get("to_device")
        if mail is not None:
            self.to_device += mail.get("events", ())
            self._to_device_since = mail["next_batch"]
        data = extensions.get("account_data", {})
        for event in data.get("global", ()):
            self.account_data[event["type"]] = event["content"]
        for room_id, events in data.get("rooms", {}).items():
            for event in events:
                self._room(room_id).account_data[event["type"]] = event["content"]
        for room_id, event in extensions.get("receipts", {}).get("rooms", {}).items():
            self._room(room_id).take_receipts(event["content"])
        for room_id, event in extensions.get("typing", {}).get("rooms", {}).items():
            self._room(room_id).typing = frozenset(event["content"]["user_ids"])

    def _room(self, room_id: str) -> KnownRoom:
        if room_id not in self.rooms:
            raise Inconsistent(f"an extension tells of {room_id}, which was never told")
        return self.rooms[room_id]
