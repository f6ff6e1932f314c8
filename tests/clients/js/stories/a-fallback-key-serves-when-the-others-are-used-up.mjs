// When Bob has been away for so long that no one-time key is left, he can still be written to.

import assert from "node:assert/strict";

import { deviceKnown, encrypted, openEncryptedRoom, read, say } from "../encryption.mjs";
import { logIn, register, registerElsewhere, until } from "../people.mjs";

/** A network that keeps back its answers while it is down. */
class Network {
    up = Promise.resolve();

    fetch = async (...request) => {
        const answer = await fetch(...request);
        await this.up;
        return answer;
    };

    goDown() {
        this.up = new Promise((resolve) => (this.goUp = resolve));
    }
}

const network = new Network();
const [alice, bob] = await Promise.all([
    register("alice", encrypted()),
    registerElsewhere("bob", encrypted({}, { fetchFn: network.fetch })),
]);
const roomId = await openEncryptedRoom(alice, bob);
const keysLeft = async () =>
    (await bob.http.authedRequest("POST", "/keys/upload", undefined, {})).one_time_key_counts
        .signed_curve25519 ?? 0;
const enough = await until(keysLeft, "Bob's one-time keys");

await deviceKnown(alice, bob.getUserId(), bob.getDeviceId());
network.goDown();
const address = [[bob.getUserId(), bob.getDeviceId()]];
const claim = async () => {
    const { one_time_keys: keys } = await alice.claimOneTimeKeys(address);
    return Object.entries(keys[bob.getUserId()][bob.getDeviceId()])[0];
};
const claimed = new Set();
for (;;) {
    const [id, key] = await claim();
    if (key.fallback) break;
    assert.ok(!claimed.has(id), `${id} was given out twice`);
    claimed.add(id);
}
assert.equal(claimed.size, enough);

const fromAlice = await say(alice, roomId, "This needs no key of its own");
const phone = await logIn(alice.getUserId(), encrypted());
await deviceKnown(phone, bob.getUserId(), bob.getDeviceId());
const fromPhone = await say(phone, roomId, "Nor does this");
network.goUp();

assert.equal(await read(bob, roomId, fromAlice), "This needs no key of its own");
assert.equal(await read(bob, roomId, fromPhone), "Nor does this");
await until(async () => (await keysLeft()) >= enough, "new one-time keys");
await until(async () => !(await claim())[1].fallback, "a key that is not the fallback");
process.exit(0);
