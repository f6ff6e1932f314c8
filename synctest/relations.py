"""Whether the homeserver relates events to each other as the events themselves do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from urllib.parse import quote

from synctest.client import Client
from synctest.connection import JsonObject
from synctest.failure import ScenarioFailed
from synctest.timeline import redactions_in


async def check_relations(client: Client, history: Sequence[JsonObject]) -> None:
    """Raises `ScenarioFailed` when bundled edits or listed reactions do not fit ``history``."""
    redacted = redactions_in(history)
    events = {event["event_id"]: event for event in history}
    for event_id, edits in _by_target(history, "m.replace").items():
        if event_id not in redacted:
            _check_bundled_edit(events[event_id], edits)
    for event_id, reactions in _by_target(history, "m.annotation").items():
        await _check_listed(client, events[event_id], reactions)


def _by_target(history: Sequence[JsonObject], rel_type: str) -> dict[str, list[JsonObject]]:
    related: dict[str, list[JsonObject]] = defaultdict(list)
    for event in history:
        relation = event["content"].get("m.relates_to", {})
        if relation.get("rel_type") == rel_type:
            related[relation["event_id"]].append(event)
    return related


def _check_bundled_edit(event: JsonObject, edits: Sequence[JsonObject]) -> None:
    """The most recent edit is bundled: by its timestamp, then by its event id."""
    newest = max(edits, key=lambda edit: (edit["origin_server_ts"], edit["event_id"]))
    relations = event.get("unsigned", {}).get("m.relations", {})
    bundled = relations.get("m.replace", {}).get("event_id")
    if bundled != newest["event_id"]:
        raise ScenarioFailed(
            f"{event['event_id']} bundles the edit {bundled}, its newest is {newest['event_id']}"
        )


async def _check_listed(client: Client, event: JsonObject, reactions: Sequence[JsonObject]) -> None:
    segments = (event["room_id"], "relations", event["event_id"], "m.annotation")
    path = "/_matrix/client/v1/rooms/" + "/".join(quote(part, safe="") for part in segments)
    query = {"limit": len(reactions) + 1}
    page = await client.homeserver.call("GET", path, token=client.token, query=query)
    listed = {reaction["event_id"] for reaction in page["chunk"]}
    if listed != {reaction["event_id"] for reaction in reactions}:
        raise ScenarioFailed(
            f"/relations lists {len(listed)} reactions to {event['event_id']}, "
            f"the history has {len(reactions)}"
        )
