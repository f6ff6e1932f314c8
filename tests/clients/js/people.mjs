// People who chat through matrix-js-sdk on the homeserver at $HOMESERVER_URL. Some of them are on
// that at $OTHER_HOMESERVER_URL instead, where a story is told across two servers.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";

import * as sdk from "matrix-js-sdk";
import { logger } from "matrix-js-sdk/lib/logger.js";

export const PASSWORD = "quiet water runs deep";
const PATIENCE_MS = 10_000;
const LOOK_AGAIN_MS = 10;

export const baseUrl = process.env.HOMESERVER_URL;
const otherBaseUrl = process.env.OTHER_HOMESERVER_URL ?? baseUrl;

/** The URL of the homeserver of each account that is not on the first one, by user id. */
const homes = new Map();

logger.setLevel("error");
const quiet = {
    trace() {},
    debug() {},
    info() {},
    warn() {},
    error: console.error,
    getChild: () => quiet,
};

/** Resolves to the first truthy value of `condition`, which is looked at again and again. */
export async function until(condition, what) {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
        const value = await condition();
        if (value) return value;
        assert.ok(Date.now() < deadline, `waited in vain for ${what}`);
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
}

/** Resolves to the first truthy value of `condition`, looked at now and at each `event`. */
export function when(emitter, event, condition, what) {
    return new Promise((resolve, reject) => {
        function look() {
            const value = condition();
            if (value) settle(resolve, value);
        }
        function settle(how, value) {
            clearTimeout(impatience);
            emitter.off(event, look);
            how(value);
        }
        const giveUp = () => settle(reject, new Error(`waited in vain for ${what}`));
        const impatience = setTimeout(giveUp, PATIENCE_MS);
        emitter.on(event, look);
        look();
    });
}

/**
 * A new account, with a syncing client on its first device. `options` are more options of the
 * client; `prepare` is called with the client before it syncs.
 */
export function register(name, how) {
    return registerAt(baseUrl, name, how);
}

/** The same on the other homeserver, if there is one. */
export async function registerElsewhere(name, how) {
    const client = await registerAt(otherBaseUrl, name, how);
    homes.set(client.getUserId(), otherBaseUrl);
    return client;
}

async function registerAt(home, name, { prepare, options } = {}) {
    const username = `${name}-${randomBytes(4).toString("hex")}`;
    const answer = await sdk.createClient({ baseUrl: home, logger: quiet }).registerRequest({
        username,
        password: PASSWORD,
        auth: { type: "m.login.dummy" },
    });
    return start(home, answer, prepare, options);
}

/** A new device of somebody's account, logged in with `password` and syncing. */
export async function logIn(userId, { password = PASSWORD, prepare, options } = {}) {
    const home = homes.get(userId) ?? baseUrl;
    const answer = await sdk.createClient({ baseUrl: home, logger: quiet }).loginRequest({
        type: "m.login.password",
        identifier: { type: "m.id.user", user: userId },
        password,
    });
    return start(home, answer, prepare, options);
}

async function start(home, credentials, prepare, options) {
    const client = sdk.createClient({
        baseUrl: home,
        userId: credentials.user_id,
        deviceId: credentials.device_id,
        accessToken: credentials.access_token,
        timelineSupport: true,
        logger: quiet,
        ...options,
    });
    if (prepare) await prepare(client);
    await client.startClient({
        initialSyncLimit: 20,
        lazyLoadMembers: true,
        threadSupport: true,
        pendingEventOrdering: sdk.PendingEventOrdering.Detached,
    });
    await until(() => client.isInitialSyncComplete(), "the first sync");
    return client;
}

/** A room of `host`, where `guest` has followed the invitation; returns its id. */
export async function openRoom(host, guest, options = {}) {
    const { room_id: roomId } = await host.createRoom({
        name: "Tea",
        preset: "private_chat",
        invite: [guest.getUserId()],
        ...options,
    });
    await until(() => guest.getRoom(roomId)?.getMyMembership() === "invite", "the invitation");
    await guest.joinRoom(roomId);
    for (const client of [host, guest]) {
        await until(
            () => client.getRoom(roomId)?.getJoinedMemberCount() === 2,
            "both people in the room",
        );
    }
    return roomId;
}

/** The event, once it has come to `client` over /sync. */
export function received(client, roomId, eventId) {
    return until(() => client.getRoom(roomId).findEventById(eventId), `event ${eventId}`);
}
