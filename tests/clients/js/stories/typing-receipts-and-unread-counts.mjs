// People see who types and who has read what, and how much they have not read themselves.

import assert from "node:assert/strict";

import { NotificationCountType } from "matrix-js-sdk";

import { logIn, openRoom, received, register, registerElsewhere, until } from "../people.mjs";

const [alice, bob] = await Promise.all([register("alice"), registerElsewhere("bob")]);
const roomId = await openRoom(alice, bob);
const room = bob.getRoom(roomId);

await alice.sendTyping(roomId, true, 20_000);
await until(() => room.getMember(alice.getUserId()).typing, "Alice typing");
await alice.sendTyping(roomId, false, 0);
await until(() => !room.getMember(alice.getUserId()).typing, "Alice stopping");

for (const body of ["one", "two", "three"]) await alice.sendTextMessage(roomId, body);
const { event_id: last } = await alice.sendMessage(roomId, {
    msgtype: "m.text",
    body: "four, and this is for you",
    "m.mentions": { user_ids: [bob.getUserId()] },
});
const event = await received(bob, roomId, last);
await until(() => badge(bob).join() === "4,1", "four unread messages");

const phone = await logIn(bob.getUserId());
await until(() => badge(phone).join() === "4,1", "four unread messages on a new device");

await bob.sendReadReceipt(event);
await until(() => badge(phone).join() === "0,0", "no unread message on the other device");
await until(() => badge(bob).join() === "0,0", "no unread message");
await until(
    () => alice.getRoom(roomId).hasUserReadEvent(bob.getUserId(), last),
    "Bob's receipt at Alice's",
);
assert.equal(alice.getRoom(roomId).getEventReadUpTo(bob.getUserId()), last);
process.exit(0);

function badge(client) {
    const where = client.getRoom(roomId);
    return [NotificationCountType.Total, NotificationCountType.Highlight].map((type) =>
        where.getRoomUnreadNotificationCount(type),
    );
}
