"""Whether servers tell another server the same about a room: its state, by /state_ids."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from synctest.failure import ScenarioFailed
from synctest.federation.scripted_server import BASE, ScriptedServer, started_script
from synctest.federation.waiting import eventually
from synctest.federation.world import World

TIME_TO_TELL = 45.0


async def check_same_answers(world: World, room_id: str) -> int:
    """Join a public room as a server of its own, and ask all others for the state before that.

    Returns how many events that state has; raises `ScenarioFailed` when one differs.
    """
    async with started_script(world.certificate) as auditor:
        room = await auditor.join(world.names[0], room_id, f"@auditor:{auditor.name}")
        (join_id,) = room.latest
        answers = {name: await _state_ids(auditor, name, room_id, join_id) for name in world.names}
    first_name, first = next(iter(answers.items()))
    for name, event_ids in answers.items():
        if event_ids != first:
            raise ScenarioFailed(
                f"before {join_id}, {first_name} tells of {sorted(first - event_ids)}, "
                f"which {name} lacks, and {name} of {sorted(event_ids - first)}"
            )
    return len(first)


async def _state_ids(
    auditor: ScriptedServer, server: str, room_id: str, event_id: str
) -> frozenset[str]:
    path = f"{BASE}/v1/state_ids/{quote(room_id, safe='')}?{urlencode({'event_id': event_id})}"
    answer = await eventually(
        f"{server} to tell the state before {event_id}",
        lambda: auditor.ask(server, "GET", path),
        lambda answer: "pdu_ids" in answer,
        limit=TIME_TO_TELL,
    )
    return frozenset(answer["pdu_ids"])
