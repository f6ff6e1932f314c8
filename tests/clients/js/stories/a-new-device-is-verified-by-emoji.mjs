// A new device and an old one show the same emoji; then the new one is trusted and has the secrets.

import assert from "node:assert/strict";

import {
    deviceKnown,
    encrypted,
    nextVerification,
    openEncryptedRoom,
    ready,
    setUpRecovery,
    shownEmoji,
    started,
    trustsDevice,
} from "../encryption.mjs";
import { logIn, register, registerElsewhere, until } from "../people.mjs";

const vault = {};
const [laptop, bob] = await Promise.all([
    register("alice", encrypted(vault)),
    registerElsewhere("bob", encrypted()),
]);
const alice = laptop.getUserId();
await setUpRecovery(laptop, vault);
await openEncryptedRoom(laptop, bob);

const phone = await logIn(alice, encrypted());
await Promise.all([
    deviceKnown(laptop, alice, phone.getDeviceId()),
    deviceKnown(phone, alice, laptop.getDeviceId()),
]);
assert.equal(await trustsDevice(laptop, alice, phone.getDeviceId()), false);
assert.equal(await trustsDevice(phone, alice, laptop.getDeviceId()), false);

const asked = nextVerification(laptop);
const phonesRequest = await phone.getCrypto().requestOwnUserVerification();
const laptopsRequest = await asked;
await laptopsRequest.accept();
await ready(phonesRequest);
const phonesVerifier = await phonesRequest.startVerification("m.sas.v1");
const laptopsVerifier = await started(laptopsRequest);
const verified = Promise.all([phonesVerifier.verify(), laptopsVerifier.verify()]);

const [onPhone, onLaptop] = await Promise.all([phonesVerifier, laptopsVerifier].map(shownEmoji));
assert.equal(onPhone.sas.emoji.length, 7);
assert.deepEqual(onPhone.sas.emoji, onLaptop.sas.emoji);
await Promise.all([onPhone.confirm(), onLaptop.confirm()]);
await verified;

const crypto = phone.getCrypto();
await until(() => crypto.isCrossSigningReady(), "the phone to hold the keys of the identity");
await until(() => crypto.getSessionBackupPrivateKey(), "the key of the backup");
for (const [client, deviceId] of [
    [laptop, phone.getDeviceId()],
    [phone, laptop.getDeviceId()],
]) {
    await until(() => trustsDevice(client, alice, deviceId), `trust in ${deviceId}`);
}
await until(async () => {
    const status = await bob.getCrypto().getDeviceVerificationStatus(alice, phone.getDeviceId());
    return status?.signedByOwner;
}, "Bob to see that the phone is Alice's");
process.exit(0);
