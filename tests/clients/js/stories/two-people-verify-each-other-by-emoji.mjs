// Alice and Bob show the same emoji, and trust each other's later devices from then on.

import assert from "node:assert/strict";

import {
    deviceKnown,
    encrypted,
    nextVerification,
    openEncryptedRoom,
    read,
    ready,
    recoverCrossSigning,
    say,
    setUpCrossSigning,
    setUpRecovery,
    shownEmoji,
    started,
    trustsDevice,
    trustsUser,
} from "../encryption.mjs";
import { logIn, register, registerElsewhere, until } from "../people.mjs";

const vault = {};
const [alice, bob] = await Promise.all([
    register("alice", encrypted()),
    registerElsewhere("bob", encrypted(vault)),
]);
const roomId = await openEncryptedRoom(alice, bob);
await Promise.all([
    deviceKnown(alice, bob.getUserId(), bob.getDeviceId()),
    deviceKnown(bob, alice.getUserId(), alice.getDeviceId()),
]);
await Promise.all([setUpCrossSigning(alice), setUpRecovery(bob, vault)]);
for (const [client, other] of [
    [alice, bob],
    [bob, alice],
]) {
    const signed = () =>
        client.getCrypto().getDeviceVerificationStatus(other.getUserId(), other.getDeviceId());
    await until(async () => (await signed())?.signedByOwner, `the keys of ${other.getUserId()}`);
    assert.equal(await trustsUser(client, other.getUserId()), false);
}

const asked = nextVerification(bob);
const alicesRequest = await alice
    .getCrypto()
    .requestDeviceVerification(bob.getUserId(), bob.getDeviceId());
const bobsRequest = await asked;
assert.equal(bobsRequest.roomId, undefined, "the request did not come to the device");
await bobsRequest.accept();
await ready(alicesRequest);
const bobsVerifier = await bobsRequest.startVerification("m.sas.v1");
const alicesVerifier = await started(alicesRequest);
const verified = Promise.all([alicesVerifier.verify(), bobsVerifier.verify()]);
const [onAlices, onBobs] = await Promise.all([alicesVerifier, bobsVerifier].map(shownEmoji));
assert.equal(onAlices.sas.emoji.length, 7);
assert.deepEqual(onAlices.sas.emoji, onBobs.sas.emoji);
await Promise.all([onAlices.confirm(), onBobs.confirm()]);
await verified;

await until(() => trustsUser(alice, bob.getUserId()), "Alice to trust Bob");
await until(() => trustsUser(bob, alice.getUserId()), "Bob to trust Alice");

const phone = await logIn(bob.getUserId(), encrypted(vault));
await recoverCrossSigning(phone);
await until(
    () => trustsDevice(alice, bob.getUserId(), phone.getDeviceId()),
    "Alice to trust Bob's phone",
);
const fromPhone = await say(phone, roomId, "It is still me");
assert.equal(await read(alice, roomId, fromPhone), "It is still me");
await until(() => trustsUser(phone, alice.getUserId()), "Bob's phone to trust Alice");
process.exit(0);
