// Bob has a device that looks at his rooms through a sliding window.

import assert from "node:assert/strict";

import * as sdk from "matrix-js-sdk";
import { MSC3575_STATE_KEY_LAZY, SlidingSync } from "matrix-js-sdk/lib/sliding-sync.js";

import { PASSWORD, baseUrl, openRoom, received, register, until } from "../people.mjs";

const [alice, bob] = await Promise.all([register("alice"), register("bob")]);
const roomId = await openRoom(alice, bob);
const { event_id: first } = await alice.sendTextMessage(roomId, "before");

const credentials = await sdk.createClient({ baseUrl }).loginRequest({
    type: "m.login.password",
    identifier: { type: "m.id.user", user: bob.getUserId() },
    password: PASSWORD,
});
const tablet = sdk.createClient({
    baseUrl,
    userId: credentials.user_id,
    deviceId: credentials.device_id,
    accessToken: credentials.access_token,
});
const required_state = [
    ["*", "*"],
    ["m.room.member", MSC3575_STATE_KEY_LAZY],
];
const window = { ranges: [[0, 19]], timeline_limit: 1, required_state, filters: {} };
const lists = new Map([["all", window]]);
const subscription = { timeline_limit: 20, required_state };
const slidingSync = new SlidingSync(baseUrl, lists, subscription, tablet, 30_000);
await tablet.startClient({ slidingSync });

const room = await until(() => tablet.getRoom(roomId), "the room");
assert.equal(room.name, "Tea");
assert.equal(room.getMyMembership(), "join");
await received(tablet, roomId, first);

const { event_id: second } = await alice.sendTextMessage(roomId, "after");
const event = await received(tablet, roomId, second);
assert.equal(event.getContent().body, "after");
assert.equal(event.sender.userId, alice.getUserId());
await until(() => room.getUnreadNotificationCount() === 2, "the count of unread messages");

await tablet.sendReadReceipt(event);
await until(() => room.getUnreadNotificationCount() === 0, "the messages being read");

await alice.setRoomName(roomId, "Coffee");
await until(() => room.name === "Coffee", "the new name");

const { room_id: invitation } = await alice.createRoom({
    name: "Cake",
    preset: "private_chat",
    invite: [bob.getUserId()],
});
await until(() => tablet.getRoom(invitation)?.getMyMembership() === "invite", "the invitation");
await tablet.joinRoom(invitation);
await until(() => tablet.getRoom(invitation).getMyMembership() === "join", "being in the room");
await tablet.leave(invitation);
await until(() => tablet.getRoom(invitation)?.getMyMembership() !== "join", "being out of it");

assert.ok(slidingSync.getListData("all").joinedCount >= 1);
process.exit(0);
