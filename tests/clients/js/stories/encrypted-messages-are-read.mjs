// An encrypted message is read by the other person, and the server never sees its text.

import assert from "node:assert/strict";

import { encrypted, openEncryptedRoom, read, say } from "../encryption.mjs";
import { register, registerElsewhere } from "../people.mjs";

const [alice, bob] = await Promise.all([
    register("alice", encrypted()),
    registerElsewhere("bob", encrypted()),
]);
const roomId = await openEncryptedRoom(alice, bob);

for (const [from, to, body] of [
    [alice, bob, "This is between us"],
    [bob, alice, "So it is"],
]) {
    const eventId = await say(from, roomId, body);
    assert.equal(await read(to, roomId, eventId), body);
    const stored = await to.fetchRoomEvent(roomId, eventId);
    assert.equal(stored.type, "m.room.encrypted");
    assert.ok(!JSON.stringify(stored).includes(body));
}
process.exit(0);
