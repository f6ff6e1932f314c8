// Alice scans the code that Bob shows; they trust each other then, on all their devices.

import assert from "node:assert/strict";

import { VerifierEvent } from "matrix-js-sdk/lib/crypto-api/index.js";

import {
    deviceKnown,
    encrypted,
    nextVerification,
    openEncryptedRoom,
    ready,
    recoverCrossSigning,
    setUpCrossSigning,
    setUpRecovery,
    started,
    trustsDevice,
    trustsUser,
} from "../encryption.mjs";
import { logIn, register, registerElsewhere, until, when } from "../people.mjs";

const vault = {};
const [alice, bob] = await Promise.all([
    register("alice", encrypted(vault)),
    registerElsewhere("bob", encrypted()),
]);
await Promise.all([setUpRecovery(alice, vault), setUpCrossSigning(bob)]);
const phone = await logIn(alice.getUserId(), encrypted(vault));
await recoverCrossSigning(phone);
const roomId = await openEncryptedRoom(alice, bob);
await Promise.all([
    deviceKnown(alice, bob.getUserId(), bob.getDeviceId()),
    deviceKnown(bob, alice.getUserId(), alice.getDeviceId()),
]);
assert.equal(await trustsUser(alice, bob.getUserId()), false);
assert.equal(await trustsUser(bob, alice.getUserId()), false);

const asked = nextVerification(bob);
const alicesRequest = await alice.getCrypto().requestVerificationDM(bob.getUserId(), roomId);
const bobsRequest = await asked;
await bobsRequest.accept();
await ready(alicesRequest);

const code = await bobsRequest.generateQRCode();
const alicesVerifier = await alicesRequest.scanQRCode(code);
const bobsVerifier = await started(bobsRequest);
const verified = Promise.all([alicesVerifier.verify(), bobsVerifier.verify()]);
const scanned = () => bobsVerifier.getReciprocateQrCodeCallbacks();
(await when(bobsVerifier, VerifierEvent.ShowReciprocateQr, scanned, "the scan")).confirm();
await verified;

for (const client of [alice, phone]) {
    await until(() => trustsUser(client, bob.getUserId()), "Alice to trust Bob");
    assert.ok(await trustsDevice(client, bob.getUserId(), bob.getDeviceId()));
}
await until(() => trustsUser(bob, alice.getUserId()), "Bob to trust Alice");
for (const device of [alice, phone]) {
    await until(
        () => trustsDevice(bob, alice.getUserId(), device.getDeviceId()),
        `Bob to trust ${device.getDeviceId()}`,
    );
}
process.exit(0);
