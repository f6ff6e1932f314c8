"""Simplified sliding sync, put together."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import attrs

from homeserver.log.log import Log
from homeserver.ports.clock import Clock
from homeserver.ports.personal.account_data import AccountDataStore
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.presentation import Presenter
from homeserver.rooms.visible_events import Visibility
from homeserver.sync.device_updates import DeviceUpdates
from homeserver.sync.personal_data import PersonalData
from homeserver.sync.sessions import Sessions
from homeserver.sync.sliding.activity import Activities
from homeserver.sync.sliding.bump_stamps import BumpStamps
from homeserver.sync.sliding.chosen_rooms import RoomChooser
from homeserver.sync.sliding.extensions.account_data import AccountDataExtension
from homeserver.sync.sliding.extensions.encryption import EncryptionExtension
from homeserver.sync.sliding.extensions.extension import Extension
from homeserver.sync.sliding.extensions.receipts import ReceiptsExtension
from homeserver.sync.sliding.extensions.to_device import ToDeviceExtension
from homeserver.sync.sliding.extensions.typing import UNSTABLE, TypingExtension
from homeserver.sync.sliding.open_connections import OpenConnections
from homeserver.sync.sliding.personal_traits import PersonalTraitsReader
from homeserver.sync.sliding.positions import SECRET_BYTES
from homeserver.sync.sliding.room_news import RoomNewsReader
from homeserver.sync.sliding.rooms import RoomWriter
from homeserver.sync.sliding.sliding import SlidingRooms, SlidingSync
from homeserver.sync.sliding.told_rooms import RoomTeller
from homeserver.sync.unread_section import UnreadSection
from storage.personal.sliding_connections import SqlSlidingConnectionStore
from storage.rooms.room_activity import SqlRoomActivityStore


@attrs.frozen
class RoomReading:
    """How rooms are read by those who sync."""

    directory: RoomDirectory
    presenter: Presenter
    visibility: Visibility
    unread: UnreadSection
    account_data: AccountDataStore


def sliding_extensions(
    personal: PersonalData, devices: DeviceUpdates, directory: RoomDirectory
) -> list[Extension]:
    """All extensions."""
    return [
        ToDeviceExtension(devices),
        EncryptionExtension(devices),
        AccountDataExtension(personal),
        ReceiptsExtension(directory),
        TypingExtension(directory),
        TypingExtension(directory, UNSTABLE),
    ]


def build_sliding_sync(
    log: Log,
    clock: Clock,
    sessions: Sessions,
    reading: RoomReading,
    extensions: Sequence[Extension],
) -> SlidingSync:
    """The engine of sliding sync."""
    directory = reading.directory
    activity_store = SqlRoomActivityStore(log)
    chooser = RoomChooser(
        directory,
        activity_store,
        Activities(activity_store, directory),
        PersonalTraitsReader(reading.account_data),
    )
    teller = RoomTeller(
        directory,
        RoomNewsReader(directory, activity_store, reading.visibility),
        RoomWriter(directory, reading.presenter, BumpStamps(activity_store), clock),
        reading.unread,
    )
    connections = OpenConnections(
        SqlSlidingConnectionStore(log), clock, lambda: secrets.token_bytes(SECRET_BYTES)
    )
    return SlidingSync(log, sessions, connections, SlidingRooms(chooser, teller), extensions, clock)
