// People log their devices in, and nobody else's.

import assert from "node:assert/strict";

import { logIn, register } from "../people.mjs";

const alice = await register("alice");
const phone = await logIn(alice.getUserId());
assert.notEqual(phone.getDeviceId(), alice.getDeviceId());

const { devices } = await alice.getDevices();
const ids = new Set(devices.map((device) => device.device_id));
assert.deepEqual(ids, new Set([alice.getDeviceId(), phone.getDeviceId()]));

await assert.rejects(logIn(alice.getUserId(), { password: "a guess" }), { errcode: "M_FORBIDDEN" });

await phone.logout(true);
await assert.rejects(phone.whoami(), { errcode: "M_UNKNOWN_TOKEN" });
process.exit(0);
