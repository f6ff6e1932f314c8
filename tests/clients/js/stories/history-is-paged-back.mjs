// Somebody who logs in later pages back to the beginning of the room.

import assert from "node:assert/strict";

import { logIn, openRoom, register } from "../people.mjs";

const [alice, bob] = await Promise.all([register("alice"), register("bob")]);
const roomId = await openRoom(alice, bob);
const said = [];
for (let number = 0; number < 50; number++) {
    said.push((await alice.sendTextMessage(roomId, `message ${number}`)).event_id);
}

const phone = await logIn(bob.getUserId());
const room = phone.getRoom(roomId);
assert.ok(room.getLiveTimeline().getEvents().length < said.length);
while (room.oldState.paginationToken !== null) await phone.scrollback(room, 15);

const events = room.getLiveTimeline().getEvents();
assert.equal(events[0].getType(), "m.room.create");
const ids = events.map((event) => event.getId());
assert.deepEqual(ids.slice(-said.length), said);
assert.equal(new Set(ids).size, ids.length);
process.exit(0);
