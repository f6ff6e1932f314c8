// Somebody with an encrypting client who does what each line of the input asks, as JSON, and
// answers with a line that begins with "answer". What the SDK logs may come in between.

import { createInterface } from "node:readline";

import { MatrixEvent } from "matrix-js-sdk";

import { deviceKnown, encrypted, read, say } from "./encryption.mjs";
import { logIn, register, until } from "./people.mjs";

let client;

function introduce(somebody) {
    client = somebody;
    return { userId: client.getUserId(), deviceId: client.getDeviceId() };
}

const inRoom = (roomId) =>
    until(() => client.getRoom(roomId)?.getMyMembership() === "join", "the room");

const deeds = {
    register: async ({ name }) => introduce(await register(name, encrypted())),

    logIn: async ({ userId }) => introduce(await logIn(userId, encrypted())),

    async createRoom() {
        const content = { algorithm: "m.megolm.v1.aes-sha2" };
        const { room_id: roomId } = await client.createRoom({
            initial_state: [{ type: "m.room.encryption", state_key: "", content }],
        });
        await inRoom(roomId);
        return roomId;
    },

    invite: ({ roomId, userId }) => client.invite(roomId, userId),

    async join({ roomId }) {
        const membership = () => client.getRoom(roomId)?.getMyMembership();
        await until(() => membership() === "invite", "the invitation");
        await client.joinRoom(roomId);
        await inRoom(roomId);
    },

    leave: ({ roomId }) => client.leave(roomId),

    say: ({ roomId, body }) => say(client, roomId, body),

    async read({ roomId, eventId }) {
        await inRoom(roomId);
        return read(client, roomId, eventId);
    },

    fetch: ({ roomId, eventId }) => client.fetchRoomEvent(roomId, eventId),

    async decipher({ event: raw }) {
        const event = new MatrixEvent(raw);
        await client.decryptEventIfNeeded(event);
        return event.isDecryptionFailure() ? null : event.getContent().body;
    },

    async meet({ roomId, userId, deviceId }) {
        await inRoom(roomId);
        const room = client.getRoom(roomId);
        await room.loadMembersIfNeeded();
        await until(() => room.getMember(userId)?.membership === "join", `${userId} joining`);
        await deviceKnown(client, userId, deviceId);
    },

    async miss({ roomId, userId }) {
        const member = () => client.getRoom(roomId).getMember(userId);
        await until(() => member()?.membership === "leave", `${userId} leaving`);
    },
};

for await (const line of createInterface({ input: process.stdin })) {
    const { deed, details } = JSON.parse(line);
    let answer;
    try {
        answer = { result: (await deeds[deed](details)) ?? null };
    } catch (error) {
        answer = { error: error.stack };
    }
    process.stdout.write(`answer ${JSON.stringify(answer)}\n`);
}
process.exit(0);
