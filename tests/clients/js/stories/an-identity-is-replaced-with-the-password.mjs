// Who took over a session cannot replace the keys of the identity; who knows the password can.

import assert from "node:assert/strict";

import {
    encrypted,
    openEncryptedRoom,
    setUpCrossSigning,
    withPassword,
} from "../encryption.mjs";
import { PASSWORD, logIn, register, registerElsewhere, until } from "../people.mjs";

const [alice, bob] = await Promise.all([
    register("alice", encrypted()),
    registerElsewhere("bob", encrypted()),
]);
await setUpCrossSigning(alice);
await openEncryptedRoom(alice, bob);

async function masterKeySeenByBob() {
    const keys = await bob.getCrypto().getUserCrossSigningKeys(alice.getUserId());
    return keys && Object.values(keys.master_key.keys)[0];
}

async function replaceIdentity(password) {
    const device = await logIn(alice.getUserId(), encrypted());
    const refusals = [];
    await device.getCrypto().bootstrapCrossSigning({
        setupNewCrossSigning: true,
        authUploadDeviceSigningKeys: async (makeRequest) => {
            const watched = async (auth) => {
                try {
                    return await makeRequest(auth);
                } catch (error) {
                    refusals.push(error.httpStatus);
                    throw error;
                }
            };
            return withPassword(device, watched, password);
        },
    });
    assert.deepEqual(refusals, [401]);
}

const first = await until(masterKeySeenByBob, "Alice's identity");
await assert.rejects(replaceIdentity("a guess"), { errcode: "M_FORBIDDEN", httpStatus: 401 });
await bob.getCrypto().getUserDeviceInfo([alice.getUserId()], true);
assert.equal(await masterKeySeenByBob(), first);

await replaceIdentity(PASSWORD);
await until(async () => (await masterKeySeenByBob()) !== first, "Alice's new identity");
assert.ok((await bob.getCrypto().getUserVerificationStatus(alice.getUserId())).needsUserApproval);
process.exit(0);
