"""End-to-end encryption, as far as a server has a part in it, put together."""

from __future__ import annotations

import attrs

from homeserver.api.encryption.cross_signing import CrossSigningApi
from homeserver.api.encryption.dehydrated_devices import DehydratedDevicesApi
from homeserver.api.encryption.device_keys import DeviceKeysApi
from homeserver.api.encryption.key_backup import KeyBackupApi
from homeserver.api.encryption.to_device import ToDeviceApi
from homeserver.http.routes import Api
from homeserver.ports.federation.remote_keys import RemoteKeyServers
from homeserver.ports.federation.remote_mail import RemoteMail
from homeserver.runtime.wiring.foundation import Foundation
from homeserver.runtime.wiring.rooms import RoomsCore
from homeserver.services.accounts.device_traces import DeviceTraces
from homeserver.services.accounts.user_interactive_auth import UserInteractiveAuth
from homeserver.services.encryption.cross_signing import CrossSigning
from homeserver.services.encryption.dehydrated_devices import DehydratedDevices, DehydratedStores
from homeserver.services.encryption.device_keys import DeviceKeys
from homeserver.services.encryption.device_list_changes import DeviceListChanges
from homeserver.services.encryption.key_backup import KeyBackups
from homeserver.services.encryption.key_claims import KeyClaims
from homeserver.services.encryption.key_queries import KeyQueries
from homeserver.services.encryption.key_signatures import KeySignatures
from homeserver.services.encryption.published_keys import PublishedKeys
from homeserver.services.encryption.to_device import ToDevice
from homeserver.sync.device_lists import DeviceLists
from homeserver.sync.key_changes import KeyChanges
from homeserver.sync.sessions import Sessions
from storage.accounts.device_traces import SqlDeviceTraceStore
from storage.encryption.cross_signing import SqlCrossSigningStore
from storage.encryption.dehydrated_devices import SqlDehydratedDeviceStore
from storage.encryption.device_keys import SqlDeviceKeyStore
from storage.encryption.device_lists import SqlDeviceListStore
from storage.encryption.key_backup import SqlKeyBackupStore
from storage.encryption.to_device import SqlToDeviceStore


@attrs.frozen
class DeviceGround:
    """What accounts and the sync engine need to know of devices."""

    changes: DeviceListChanges
    traces: DeviceTraces
    lists: DeviceLists


def build_device_ground(on: Foundation, rooms: RoomsCore) -> DeviceGround:
    """Whose keys changed, and what a device leaves behind."""
    list_store = SqlDeviceListStore(on.log)
    changes = DeviceListChanges(list_store, on.log)
    return DeviceGround(
        changes=changes,
        traces=DeviceTraces(SqlDeviceTraceStore(on.log), changes, on.log),
        lists=DeviceLists(list_store, rooms.directory),
    )


@attrs.frozen
class Elsewhere:
    """What reaches the devices of other servers' users."""

    mail: RemoteMail
    keys: RemoteKeyServers


@attrs.frozen
class EncryptionArea:
    """End-to-end encryption, and what other servers need of it."""

    apis: list[Api]
    to_device: ToDevice
    queries: KeyQueries
    claims: KeyClaims


def build_encryption(
    on: Foundation,
    ground: DeviceGround,
    sessions: Sessions,
    interactive: UserInteractiveAuth,
    elsewhere: Elsewhere,
) -> EncryptionArea:
    """Keys, messages to devices, backups."""
    log, clock, name = on.log, on.clock, on.server_name
    keys = SqlDeviceKeyStore(log)
    signing = SqlCrossSigningStore(log)
    mail = SqlToDeviceStore(log)
    changes = ground.changes
    stores = DehydratedStores(
        SqlDehydratedDeviceStore(log), keys, signing, SqlDeviceTraceStore(log), mail
    )
    to_device = ToDevice(mail, log, clock, elsewhere.mail)
    queries = KeyQueries(PublishedKeys(keys, signing, changes), signing, name, elsewhere.keys)
    claims = KeyClaims(keys, log, clock, name, elsewhere.keys)
    apis: list[Api] = [
        ToDeviceApi(to_device),
        DeviceKeysApi(
            DeviceKeys(keys, signing, changes, log, clock),
            queries,
            claims,
            KeyChanges(ground.lists, sessions, log).between,
        ),
        CrossSigningApi(
            CrossSigning(signing, changes, log),
            KeySignatures(keys, signing, changes, log, elsewhere.keys),
            interactive,
        ),
        KeyBackupApi(KeyBackups(SqlKeyBackupStore(), log)),
        DehydratedDevicesApi(DehydratedDevices(stores, changes, clock)),
    ]
    return EncryptionArea(apis, to_device, queries, claims)
