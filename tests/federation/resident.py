"""A server with rooms that others are in, and the requests that they sign."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import attrs

from federation.http.request_authentication import Hearing, RequestAuthentication
from federation.resources.auth_chains import AuthChains
from federation.resources.events import EventsApi
from federation.resources.history import HistoryApi
from federation.resources.media import MediaApi
from federation.resources.openid import OpenIdUserInfoApi
from federation.resources.past_events import PastEvents
from federation.resources.public_rooms import PublicRoomsApi
from federation.resources.queries import QueriesApi
from federation.resources.room_gate import RoomGate
from federation.resources.server_visibility import ServerVisibility
from federation.resources.spaces import SpacesApi
from federation.resources.spliced_answers import AnswerSplicer
from federation.resources.states import StatesApi, StatesOfRooms
from federation.resources.transactions import TransactionAnswers
from homeserver.domain.canonical_json import JsonObject, encode_canonical_json
from homeserver.domain.federation_peers import FederationPeers
from homeserver.domain.identifiers import EventId, RoomId, ServerName, UserId
from homeserver.http.answers import FileAnswer
from homeserver.http.rate_limits import RateLimiter
from homeserver.http.routes import Api
from homeserver.rooms.actor import NewEvent
from homeserver.rooms.room_states import RoomStates
from homeserver.services.accounts.openid import OpenId
from homeserver.services.media.media import MediaRepository, MediaSettings
from homeserver.services.media.media_access import MediaAccess
from homeserver.services.media.thumbnails import Thumbnails, ThumbnailSettings
from homeserver.services.personal.presence import Presence
from homeserver.services.personal.profile_propagation import ProfilePropagation
from homeserver.services.personal.profiles import Profiles
from storage.accounts.accounts import SqlAccountStore
from storage.accounts.openid_tokens import SqlOpenIdTokenStore
from storage.federation.servers_in_rooms import SqlServersInRooms
from storage.federation.stored_pdus import SqlStoredPdus
from storage.media.local_media import LocalMedia
from storage.media.media import SqlMediaIndex
from storage.media.thumbnails import SqlThumbnailIndex
from storage.personal.profiles import SqlProfileStore
from storage.rooms.memberships import SqlMembershipStore
from storage.rooms.past_states import SqlPastStates
from storage.rooms.room_states import SqlRoomStateStore
from storage.rooms.room_summaries import SqlRoomSummaryStore
from tests.federation.key_servers import (
    KeyServer,
    Network,
    Setting,
    dispatcher_of,
)
from tests.http_requests import make_request
from tests.http_wire import run_here
from tests.rooms_fixture import KEY, SERVER, OpenEngine, Person, RoomsServer

OTHER: Final = ServerName("other.example")
STRANGER: Final = ServerName("stranger.example")
BOB: Final = UserId(f"@bob:{OTHER}")
EVE: Final = UserId(f"@eve:{STRANGER}")

V1: Final = "/_matrix/federation/v1"


@attrs.frozen
class Said:
    """What a server was answered."""

    status: int
    body: bytes
    content_type: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def refusal(self) -> tuple[int, str]:
        return self.status, self.json["errcode"]


class Resident(RoomsServer):
    """A server whose rooms others are in, on a database; files go to ``directory``."""

    def __init__(self, open_engine: OpenEngine, directory: Path) -> None:
        super().__init__(open_engine)
        log, clock = self.log, self.clock
        self.setting = Setting(Network(), clock, directory)
        self.keys = KeyServer(self.setting, SERVER, keys=[KEY])
        self.askers = {name: KeyServer(self.setting, name) for name in (OTHER, STRANGER)}
        self.accounts = SqlAccountStore(log)
        profile_store = SqlProfileStore(log)
        self.real_profiles = Profiles(
            profile_store,
            self.accounts,
            ProfilePropagation(profile_store, self.directory, clock),
            Presence(log, SqlMembershipStore(log), clock, enabled=True),
        )
        self.openid = OpenId(SqlOpenIdTokenStore(log), self.accounts, clock)
        self.media_store = LocalMedia(directory / "media", run_here)
        media_index = SqlMediaIndex(log)
        self.repository = MediaRepository(
            media_index,
            self.media_store,
            MediaAccess(media_index, clock),
            clock,
            MediaSettings(SERVER),
        )
        self.thumbnails = Thumbnails(
            SqlThumbnailIndex(log), self.media_store, run_here, clock, ThumbnailSettings()
        )
        self.states = RoomStates(SqlRoomStateStore(log), self.events, run_here)
        hearing = Hearing(FederationPeers(None), RateLimiter({}, clock.monotonic), lambda _: None)
        authentication = RequestAuthentication(self.keys.ring, hearing, run_here)
        self.dispatcher = dispatcher_of(self.resources(), authentication)

    def resources(self) -> list[Api]:
        log, events = self.log, self.events
        gate = RoomGate(self.directory)
        visibility = ServerVisibility(SqlPastStates(log), events)
        transactions = TransactionAnswers(SERVER, self.clock)
        splicer = AnswerSplicer(self.media_store.incoming, run_here)
        pdus = SqlStoredPdus(log)
        return [
            EventsApi(self.directory, visibility, transactions),
            StatesApi(gate, StatesOfRooms(events, self.states, AuthChains(pdus), pdus), splicer),
            HistoryApi(gate, PastEvents(events), events.store, visibility, transactions),
            QueriesApi(self.real_profiles, self.aliases),
            PublicRoomsApi(self.published_rooms),
            SpacesApi(SqlRoomSummaryStore(log), SqlServersInRooms(log), SERVER),
            OpenIdUserInfoApi(self.openid),
            MediaApi(self.repository, self.thumbnails, splicer),
        ]

    async def close(self) -> None:
        self.keys.database.close()
        for asker in self.askers.values():
            asker.database.close()
        await super().close()

    # --- being asked

    async def asked(
        self,
        path: str,
        *,
        by: ServerName | None = OTHER,
        method: str = "GET",
        body: JsonObject | None = None,
    ) -> Said:
        """The answer to a request, signed by another server unless ``by`` is None."""
        target = V1 + path
        content = encode_canonical_json(body) if body is not None else None
        headers = {}
        if by is not None:
            headers["Authorization"] = self.askers[by].signed(method, target, SERVER, content)
        route, parameters = self.dispatcher.router.find(method, target.partition("?")[0])
        request = make_request(
            method,
            target,
            parameters=parameters,
            headers=headers,
            received_ms=self.clock.now_ms(),
            raw_body=content or b"",
        )
        answer = await self.dispatcher.answer(route, request)
        sent = answer.body
        if isinstance(answer, FileAnswer):
            sent = answer.part.read(answer.part.length)
            answer.part.close()
        return Said(answer.status, sent, answer.content_type.decode())

    # --- what others do

    async def appends(
        self,
        room_id: RoomId,
        sender: UserId,
        type: str,
        content: JsonObject,
        key: str | None = None,
    ) -> EventId:
        """Let anybody write to a room, as if their server had sent it."""
        actor = await self.actor(room_id)
        self.clock.advance(1)
        return (await actor.append(NewEvent(type, sender, content, key))).event.event_id

    async def lets_in(self, room_id: RoomId, user_id: UserId) -> EventId:
        """Let a user of another server join."""
        content: JsonObject = {"membership": "join"}
        return await self.appends(room_id, user_id, "m.room.member", content, user_id)

    async def shared_room(self, alice: Person, **more: Any) -> RoomId:
        """A room of Alice's that Bob of the other server is in."""
        room_id = await alice.creates_room(preset="public_chat", **more)
        await self.lets_in(room_id, BOB)
        return room_id
