// With the recovery key, a new device reads what only a lost one could read.

import assert from "node:assert/strict";

import { MatrixEventEvent } from "matrix-js-sdk";

import {
    deviceKnown,
    encrypted,
    openEncryptedRoom,
    read,
    recoverCrossSigning,
    say,
    setUpRecovery,
    withPassword,
} from "../encryption.mjs";
import { logIn, received, register, until, when } from "../people.mjs";

const vault = {};
const [laptop, bob] = await Promise.all([
    register("alice", encrypted(vault)),
    register("bob", encrypted()),
]);
const alice = laptop.getUserId();
await setUpRecovery(laptop, vault);
const roomId = await openEncryptedRoom(laptop, bob);
const said = new Map();
for (const [from, body] of [
    [laptop, "Remember this"],
    [bob, "And this"],
]) {
    said.set(await say(from, roomId, body), body);
}
for (const [eventId, body] of said) assert.equal(await read(laptop, roomId, eventId), body);
const backup = await until(async () => {
    const { backupInfo } = await laptop.getCrypto().checkKeyBackupAndEnable();
    return backupInfo.count === said.size && backupInfo;
}, "both keys in the backup");
laptop.stopClient();

const recovered = { recoveryKey: vault.recoveryKey };
const phone = await logIn(alice, encrypted(recovered));
await assert.rejects(phone.deleteDevice(laptop.getDeviceId()), { httpStatus: 401 });
await withPassword(phone, (auth) => phone.deleteDevice(laptop.getDeviceId(), auth ?? undefined));
await assert.rejects(laptop.whoami(), { errcode: "M_UNKNOWN_TOKEN" });
for (const eventId of said.keys()) {
    const event = await received(phone, roomId, eventId);
    await when(event, MatrixEventEvent.Decrypted, () => event.isDecryptionFailure(), "the lack of a key");
}

const crypto = phone.getCrypto();
await recoverCrossSigning(phone);
await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
assert.equal((await crypto.checkKeyBackupAndEnable()).backupInfo.version, backup.version);
assert.equal((await crypto.restoreKeyBackup()).total, said.size);
for (const [eventId, body] of said) assert.equal(await read(phone, roomId, eventId), body);

await deviceKnown(bob, alice, phone.getDeviceId());
await until(async () => {
    const devices = (await bob.getCrypto().getUserDeviceInfo([alice])).get(alice);
    return devices.size === 1;
}, "Bob to forget the lost device");
const answer = await say(bob, roomId, "Welcome back");
assert.equal(await read(phone, roomId, answer), "Welcome back");
process.exit(0);
