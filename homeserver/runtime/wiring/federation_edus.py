"""What other servers tell beside events, and the keys of their users, put together."""

from __future__ import annotations

import attrs

from federation.device_keys.device_keys_api import FederationDeviceKeysApi
from federation.device_keys.remote_device_lists import RemoteDeviceLists
from federation.device_keys.remote_keys import RemoteKeyQueries
from federation.edus.device_lists import DeviceListUpdateReceived, SigningKeyUpdateReceived
from federation.edus.presence import PresenceReceived
from federation.edus.receipts import ReceiptsReceived
from federation.edus.receiver import EduHandler, Edus
from federation.edus.to_device import ToDeviceReceived
from federation.edus.typing import TypingReceived
from federation.edus.unseen_users import UnseenUsers
from homeserver.http.routes import Api
from homeserver.runtime.wiring.federation import FederationTransport
from homeserver.runtime.wiring.foundation import Foundation
from homeserver.runtime.wiring.rooms import RoomsCore
from homeserver.services.encryption.device_list_changes import DeviceListChanges
from homeserver.services.encryption.key_claims import KeyClaims
from homeserver.services.encryption.key_queries import KeyQueries
from homeserver.services.encryption.to_device import ToDevice
from homeserver.services.messages.receipts import Receipts
from homeserver.services.messages.typing import Typing
from homeserver.services.personal.presence import Presence
from storage.encryption.device_lists import SqlDeviceListStore
from storage.federation.device_list_stream import SqlDeviceListStreamStore
from storage.federation.remote_device_lists import SqlRemoteDeviceListStore


@attrs.frozen
class RemoteKeysArea:
    """The keys of other servers' users."""

    lists: RemoteDeviceLists
    queries: RemoteKeyQueries


def build_remote_keys(
    on: Foundation, rooms: RoomsCore, remote: FederationTransport, changes: DeviceListChanges
) -> RemoteKeysArea:
    """What looking up keys asks other servers for. The directory of rooms must follow the log
    already."""
    store = SqlRemoteDeviceListStore(on.log, on.server_name)
    lists = RemoteDeviceLists(remote.client, store, changes, on.clock)
    on.log.subscribe(UnseenUsers(on.server_name, rooms.directory, lists).apply)
    return RemoteKeysArea(lists, RemoteKeyQueries(remote.client, lists))


@attrs.frozen
class EduTargets:
    """The services that EDUs are for."""

    typing: Typing
    receipts: Receipts
    presence: Presence
    to_device: ToDevice


def build_edus(on: Foundation, lists: RemoteDeviceLists, targets: EduTargets) -> Edus:
    """The receiver of EDUs."""
    signing_keys = SigningKeyUpdateReceived(lists)
    handlers: dict[str, EduHandler] = {
        "m.typing": TypingReceived(targets.typing),
        "m.receipt": ReceiptsReceived(targets.receipts, on.clock),
        "m.presence": PresenceReceived(targets.presence, SqlDeviceListStore(on.log)),
        "m.direct_to_device": ToDeviceReceived(on.server_name, targets.to_device),
        "m.device_list_update": DeviceListUpdateReceived(lists),
        "m.signing_key_update": signing_keys,
        "org.matrix.signing_key_update": signing_keys,
    }
    return Edus(handlers)


def build_device_keys_api(on: Foundation, queries: KeyQueries, claims: KeyClaims) -> Api:
    """What other servers ask about the devices of this one's users."""
    return FederationDeviceKeysApi(
        on.server_name, SqlDeviceListStreamStore(on.log), queries, claims
    )
