// Pictures, files, voice and video arrive byte for byte, for those who are logged in.

import assert from "node:assert/strict";

import { openRoom, received, register, registerElsewhere } from "../people.mjs";

const PIXEL = Buffer.from(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "base64",
);
const samples = [
    { msgtype: "m.image", name: "pixel.png", type: "image/png", bytes: PIXEL, info: { w: 1, h: 1 } },
    { msgtype: "m.file", name: "总览.pdf", type: "application/pdf", bytes: pattern(50_000), info: {} },
    {
        msgtype: "m.audio",
        name: "voice message.ogg",
        type: "audio/ogg",
        bytes: pattern(9_000),
        info: { duration: 2140 },
        marks: {
            "org.matrix.msc1767.audio": { duration: 2140, waveform: [0, 256, 1024] },
            "org.matrix.msc3245.voice": {},
        },
    },
    {
        msgtype: "m.video",
        name: "waves.mp4",
        type: "video/mp4",
        bytes: pattern(300_000),
        info: { w: 320, h: 240, duration: 9000 },
    },
];

function pattern(size) {
    return Buffer.alloc(size, Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)));
}

function download(client, uri, authorized) {
    const url = client.mxcUrlToHttp(uri, undefined, undefined, undefined, false, true, true);
    const headers = authorized ? { Authorization: `Bearer ${client.getAccessToken()}` } : {};
    return fetch(url, { headers });
}

const [alice, bob] = await Promise.all([register("alice"), registerElsewhere("bob")]);
const roomId = await openRoom(alice, bob);
for (const { msgtype, name, type, bytes, info, marks } of samples) {
    const blob = new Blob([bytes], { type });
    const { content_uri: url } = await alice.uploadContent(blob, { name, type });
    const content = {
        msgtype,
        body: name,
        filename: name,
        url,
        info: { mimetype: type, size: bytes.length, ...info },
        ...marks,
    };
    const { event_id: eventId } = await alice.sendMessage(roomId, content);

    const event = await received(bob, roomId, eventId);
    assert.deepEqual(event.getContent(), content);
    const response = await download(bob, event.getContent().url, true);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("Content-Type"), type);
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), bytes);
    assert.equal((await download(bob, url, false)).status, 401);
}
process.exit(0);
