// Text goes both ways; it is answered, reacted to, edited and recalled.

import assert from "node:assert/strict";

import { openRoom, received, register, registerElsewhere, until } from "../people.mjs";

const [alice, bob] = await Promise.all([register("alice"), registerElsewhere("bob")]);
const roomId = await openRoom(alice, bob);
assert.equal(bob.getRoom(roomId).name, "Tea");

const { event_id: question } = await alice.sendTextMessage(roomId, "喝茶吗? ☕");
assert.equal((await received(bob, roomId, question)).getContent().body, "喝茶吗? ☕");

const { event_id: reply } = await bob.sendMessage(roomId, {
    msgtype: "m.text",
    body: "Gladly",
    "m.relates_to": { "m.in_reply_to": { event_id: question } },
});
assert.equal((await received(alice, roomId, reply)).replyEventId, question);

await bob.sendEvent(roomId, "m.reaction", {
    "m.relates_to": { rel_type: "m.annotation", event_id: question, key: "🍰" },
});
const reactions = await until(
    () =>
        alice
            .getRoom(roomId)
            .relations.getChildEventsForEvent(question, "m.annotation", "m.reaction")
            ?.getSortedAnnotationsByKey(),
    "the reaction",
);
assert.deepEqual(
    reactions.map(([key, events]) => [key, events.size]),
    [["🍰", 1]],
);

await alice.sendMessage(roomId, {
    msgtype: "m.text",
    body: "* Milk, too?",
    "m.new_content": { msgtype: "m.text", body: "Milk, too?" },
    "m.relates_to": { rel_type: "m.replace", event_id: question },
});
const edited = bob.getRoom(roomId).findEventById(question);
await until(() => edited.getContent().body === "Milk, too?", "the edit");

await alice.redactEvent(roomId, question, undefined, { reason: "wrong room" });
await until(() => edited.isRedacted(), "the recall");
assert.deepEqual(edited.getContent(), {});
assert.deepEqual((await bob.fetchRoomEvent(roomId, question)).content, {});
process.exit(0);
