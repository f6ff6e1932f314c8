"""How an event counts: for the room's ordinals, and for single users.

The predefined rules are evaluated once for an event. Beyond that only those are looked at whom the
event mentions, and the users of the room whose rules must be evaluated one event at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

from homeserver.domain.events import Event
from homeserver.domain.identifiers import ServerName, UserId
from homeserver.domain.power_levels import PowerLevels
from homeserver.domain.push_rules import (
    CountingClass,
    DefaultOutcome,
    Recipient,
    RoomContext,
    UserPushRules,
    compile_user_rules,
    counting_classes,
    default_outcome,
    evaluate,
    mention_candidates,
    outcome_in_class,
)
from homeserver.ports.rooms.events import NotificationRow
from homeserver.rooms.actor import Counted
from homeserver.rooms.push_rules_index import PushRulesIndex
from homeserver.rooms.view import RoomView

_PREDEFINED = UserPushRules()


class EventCounter:
    """See :class:`homeserver.rooms.actor.Counter`."""

    def __init__(self, server_name: ServerName, rules: PushRulesIndex) -> None:
        self._suffix = f":{server_name}"
        self._rules = rules

    async def prepare(self, content: dict[str, object]) -> None:
        """Bring the rules of those whom an event's content mentions into memory."""
        mentions = content.get("m.mentions")
        users = mentions.get("user_ids") if isinstance(mentions, dict) else None
        if isinstance(users, list):
            missing = [
                UserId(user)
                for user in users
                if isinstance(user, str)
                and user.endswith(self._suffix)
                and self._rules.rules_of(UserId(user)) is None
            ]
            if missing:
                await self._rules.fetch(missing)

    def count(self, event: Event, room: RoomView, power_levels: PowerLevels) -> Counted:
        """How an event counts that is appended to a room."""
        context = RoomContext(room.joined_count, power_levels)
        outcome = default_outcome(event, context)
        rows = [
            *self._mentioned(event, room, context, outcome),
            *self._individual(event, room, context),
        ]
        return Counted(outcome.notifies, outcome.room_highlight, tuple(rows))

    def _mentioned(
        self, event: Event, room: RoomView, context: RoomContext, outcome: DefaultOutcome
    ) -> Iterator[NotificationRow]:
        for user_id in mention_candidates(event):
            member = room.members.get(user_id)
            if member is None or member.membership != "join" or not user_id.endswith(self._suffix):
                continue
            rules = self._rules.rules_of(user_id) or _PREDEFINED
            counting = counting_classes(rules).in_room(room.room_id)
            if counting in (CountingClass.NOTHING, CountingClass.INDIVIDUAL):
                continue
            shared = outcome_in_class(counting, outcome)
            recipient = Recipient(user_id, member.display_name)
            actions = evaluate(compile_user_rules(rules), event, context, recipient)
            if actions is None:
                continue
            if (actions.notify, actions.highlight) != (shared.notifies, shared.room_highlight):
                yield NotificationRow(user_id, actions.notify, actions.highlight)

    def _individual(
        self, event: Event, room: RoomView, context: RoomContext
    ) -> Iterator[NotificationRow]:
        individuals = self._rules.individuals()
        few, many = sorted((individuals, room.members), key=len)
        for user_id in few:
            if user_id not in many or not room.is_joined(user_id):
                continue
            rules = individuals[user_id]
            if counting_classes(rules).in_room(room.room_id) is not CountingClass.INDIVIDUAL:
                continue
            recipient = Recipient(user_id, room.members[user_id].display_name)
            actions = evaluate(compile_user_rules(rules), event, context, recipient)
            if actions is not None and actions.notify:
                yield NotificationRow(user_id, True, actions.highlight)
