// What comes while Alice has no device at all is kept by a dehydrated one for her next.

import assert from "node:assert/strict";

import { CryptoEvent } from "matrix-js-sdk/lib/crypto-api/index.js";

import {
    encrypted,
    openEncryptedRoom,
    read,
    recoverCrossSigning,
    say,
    setUpRecovery,
} from "../encryption.mjs";
import { logIn, register, until } from "../people.mjs";

const vault = {};
const [laptop, bob] = await Promise.all([
    register("alice", encrypted(vault)),
    register("bob", encrypted()),
]);
const alice = laptop.getUserId();
await setUpRecovery(laptop, vault);
const roomId = await openEncryptedRoom(laptop, bob);
assert.ok(await laptop.getCrypto().isDehydrationSupported());
await laptop.getCrypto().startDehydration();
await laptop.logout(true);

await until(async () => {
    const devices = await bob.getCrypto().getUserDeviceInfo([alice]);
    const [device, ...others] = devices.get(alice).values();
    return device?.dehydrated && others.length === 0;
}, "Bob to see the dehydrated device alone");
const said = [];
for (const body of ["Are you there?", "Well, later then"]) {
    said.push([await say(bob, roomId, body), body]);
    await bob.getCrypto().forceDiscardSession(roomId);
}

const phone = await logIn(alice, encrypted({ recoveryKey: vault.recoveryKey }));
await recoverCrossSigning(phone);
const progress = [];
phone.on(CryptoEvent.RehydrationProgress, (roomKeys) => progress.push(roomKeys));
const rehydrated = new Promise((resolve) => phone.once(CryptoEvent.RehydrationCompleted, resolve));
await phone.getCrypto().startDehydration();
await rehydrated;
assert.equal(progress.at(-1), said.length);
for (const [eventId, body] of said) assert.equal(await read(phone, roomId, eventId), body);
process.exit(0);
