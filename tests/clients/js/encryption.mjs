// What people of people.mjs need for end-to-end encryption.

import assert from "node:assert/strict";

import { MatrixEventEvent } from "matrix-js-sdk";
import {
    CryptoEvent,
    VerificationPhase,
    VerificationRequestEvent,
    VerifierEvent,
    decodeRecoveryKey,
} from "matrix-js-sdk/lib/crypto-api/index.js";
import { RustBackupManager } from "matrix-js-sdk/lib/rust-crypto/backup.js";

import { PASSWORD, openRoom, received, until, when } from "./people.mjs";

// The SDK spreads the first upload of new keys over ten seconds, and says to shorten that in tests.
RustBackupManager.maxBackupLoopStartDelayMillis = 0;

/**
 * What to register or log in with to have encryption. `vault.recoveryKey` opens the secret
 * storage of the account; `setUpRecovery` puts it there.
 */
export function encrypted(vault = {}, options = {}) {
    const getSecretStorageKey = async ({ keys }) =>
        vault.recoveryKey ? [Object.keys(keys)[0], decodeRecoveryKey(vault.recoveryKey)] : null;
    return {
        prepare: (client) => client.initRustCrypto({ useIndexedDB: false }),
        options: { cryptoCallbacks: { getSecretStorageKey }, ...options },
    };
}

/** An encrypted room of `host`, where `guest` has followed the invitation; returns its id. */
export function openEncryptedRoom(host, guest) {
    const content = { algorithm: "m.megolm.v1.aes-sha2" };
    return openRoom(host, guest, {
        initial_state: [{ type: "m.room.encryption", state_key: "", content }],
    });
}

/** Sends a text; returns the id of the event. */
export async function say(client, roomId, body) {
    return (await client.sendTextMessage(roomId, body)).event_id;
}

/** The text of an encrypted message, once it and its key have come to `client`. */
export async function read(client, roomId, eventId) {
    const event = await received(client, roomId, eventId);
    assert.equal(event.getWireType(), "m.room.encrypted");
    await when(
        event,
        MatrixEventEvent.Decrypted,
        () => event.getClearContent(),
        `the key of ${eventId}`,
    );
    return event.getContent().body;
}

/** Resolves once `client` knows the keys of a device; `matches` may ask more of it. */
export function deviceKnown(client, userId, deviceId, matches = () => true) {
    return until(async () => {
        const devices = await client.getCrypto().getUserDeviceInfo([userId], true);
        const device = devices.get(userId)?.get(deviceId);
        return device && matches(device);
    }, `the keys of ${deviceId}`);
}

/** Carries out a request, confirmed with `password` if the server asks for that. */
export async function withPassword(client, makeRequest, password = PASSWORD) {
    try {
        return await makeRequest(null);
    } catch (error) {
        if (error.httpStatus !== 401) throw error;
        return await makeRequest({
            type: "m.login.password",
            session: error.data.session,
            identifier: { type: "m.id.user", user: client.getUserId() },
            password,
        });
    }
}

/** Makes the cross-signing keys of an account. */
export function setUpCrossSigning(client) {
    return client.getCrypto().bootstrapCrossSigning({
        authUploadDeviceSigningKeys: (makeRequest) => withPassword(client, makeRequest),
    });
}

/** Takes the cross-signing keys from secret storage, and signs the device of `client` with them. */
export async function recoverCrossSigning(client) {
    const crypto = client.getCrypto();
    await until(() => crypto.userHasCrossSigningKeys(), "the public keys of the identity");
    await crypto.bootstrapCrossSigning({});
}

/** Makes cross-signing keys, secret storage and a key backup; the recovery key goes to `vault`. */
export async function setUpRecovery(client, vault) {
    const crypto = client.getCrypto();
    await setUpCrossSigning(client);
    await crypto.bootstrapSecretStorage({
        setupNewKeyBackup: true,
        createSecretStorageKey: async () => {
            const key = await crypto.createRecoveryKeyFromPassphrase();
            vault.recoveryKey = key.encodedPrivateKey;
            return key;
        },
    });
}

/** The next verification that is asked of `client`. */
export function nextVerification(client) {
    return new Promise((resolve) => {
        client.once(CryptoEvent.VerificationRequestReceived, resolve);
    });
}

/** Resolves once both sides of a verification are ready to choose how to verify. */
export function ready(request) {
    return when(
        request,
        VerificationRequestEvent.Change,
        () => request.phase === VerificationPhase.Ready,
        "the verification to be ready",
    );
}

/** The verifier of a request, once the other side has started the verification. */
export function started(request) {
    return when(
        request,
        VerificationRequestEvent.Change,
        () => request.verifier,
        "the verification to start",
    );
}

/** The emoji that a verifier shows, to confirm or not. */
export function shownEmoji(verifier) {
    const shown = () => verifier.getShowSasCallbacks();
    return when(verifier, VerifierEvent.ShowSas, shown, "the emoji");
}

/** Whether a verified identity has signed the keys of a device. */
export async function trustsDevice(client, userId, deviceId) {
    const status = await client.getCrypto().getDeviceVerificationStatus(userId, deviceId);
    return status?.crossSigningVerified ?? false;
}

/** Whether an identity has been verified. */
export async function trustsUser(client, userId) {
    return (await client.getCrypto().getUserVerificationStatus(userId)).isCrossSigningVerified();
}
