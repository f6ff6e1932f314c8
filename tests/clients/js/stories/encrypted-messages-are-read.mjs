// An encrypted message is read by the other person, and the server never sees its text.

import assert from "node:assert/strict";

import { openRoom, received, register, until } from "../people.mjs";

const prepare = (client) => client.initRustCrypto({ useIndexedDB: false });
const [alice, bob] = await Promise.all([
    register("alice", { prepare }),
    register("bob", { prepare }),
]);
const roomId = await openRoom(alice, bob, {
    initial_state: [
        {
            type: "m.room.encryption",
            state_key: "",
            content: { algorithm: "m.megolm.v1.aes-sha2" },
        },
    ],
});

for (const [from, to, body] of [
    [alice, bob, "This is between us"],
    [bob, alice, "So it is"],
]) {
    const { event_id: eventId } = await from.sendTextMessage(roomId, body);
    const event = await received(to, roomId, eventId);
    await until(() => event.getType() === "m.room.message", `the key of ${body}`);
    assert.equal(event.getContent().body, body);
    assert.equal((await to.fetchRoomEvent(roomId, eventId)).type, "m.room.encrypted");
}
process.exit(0);
