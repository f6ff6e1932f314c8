// Two people are in a call. The device of one dies; the other sees that it has left.

import assert from "node:assert/strict";

import { UpdateDelayedEventAction } from "matrix-js-sdk";

import { openRoom, register, until } from "../people.mjs";

const CALL_MEMBER = "org.matrix.msc3401.call.member";
const TRANSPORT = { type: "livekit", livekit_service_url: "https://rtc.example.org" };
const PATIENT = { delayedLeaveEventDelayMs: 2000, delayedLeaveEventRestartMs: 500 };

let isAlive = true;
const asLongAsItLives = (...request) =>
    isAlive ? fetch(...request) : Promise.reject(new TypeError("the device is gone"));

const [alice, bob] = await Promise.all([
    register("alice", { options: { fetchFn: asLongAsItLives } }),
    register("bob"),
]);
const roomId = await openRoom(bob, alice, {
    power_level_content_override: { events: { [CALL_MEMBER]: 0 } },
});
const ours = (client) => client.matrixRTC.getRoomSession(client.getRoom(roomId));
const present = () => ours(bob).memberships.map((membership) => membership.userId).sort();

for (const client of [alice, bob]) ours(client).joinRoomSession([TRANSPORT], undefined, PATIENT);
const both = [alice.getUserId(), bob.getUserId()].sort();
await until(() => present().join() === both.join(), "both people in the call");

// Longer than the delay: their clients keep putting off that they leave.
await new Promise((resolve) => setTimeout(resolve, 2 * PATIENT.delayedLeaveEventDelayMs));
assert.deepEqual(present(), both);

isAlive = false;
await until(() => present().join() === bob.getUserId(), "Alice leaving the call");
const keyOfAlice = `_${alice.getUserId()}_${alice.getDeviceId()}_m.call`;
const left = bob.getRoom(roomId).currentState.getStateEvents(CALL_MEMBER, keyOfAlice);
assert.deepEqual([left.getContent(), left.getSender()], [{}, alice.getUserId()]);

await ours(bob).leaveRoomSession(5000);
await until(() => present().length === 0, "Bob leaving the call");

// Nobody sets the state of another.
await assert.rejects(
    bob.sendStateEvent(roomId, CALL_MEMBER, {}, alice.getUserId()),
    (error) => error.errcode === "M_FORBIDDEN",
);

// What is scheduled is listed, and can be thought better of.
const { delay_id: delayId } = await bob._unstable_sendDelayedEvent(
    roomId,
    { delay: 60_000 },
    null,
    "m.room.message",
    { msgtype: "m.text", body: "too late" },
);
assert.equal((await bob._unstable_getDelayedEvent(delayId)).delay_ms, 60_000);
const { scheduled } = await bob._unstable_getDelayedEvents("scheduled");
assert.deepEqual(
    scheduled.map((event) => event.delay_id),
    [delayId],
);
await bob._unstable_restartScheduledDelayedEvent(delayId);
await bob._unstable_updateDelayedEvent(delayId, UpdateDelayedEventAction.Cancel);
await assert.rejects(
    bob._unstable_sendScheduledDelayedEvent(delayId),
    (error) => error.httpStatus === 409,
);
process.exit(0);
