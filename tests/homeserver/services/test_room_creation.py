from tests.rooms_fixture import RoomsServer
async def test_x(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    bob = rooms.person("bob")
    r = await alice.creates_room(preset="public_chat", name="x", topic="y")
    await bob.joins(r)
    await alice.sends(r, "hi")
    for e in await rooms.timeline(r): print(e.event.type, e.event.content)
    for v in range(1,13):
        r = await alice.creates_room(preset="public_chat", name="x", topic="y", room_version=str(v))
        await bob.joins(r)
        await alice.sends(r, "hi")
