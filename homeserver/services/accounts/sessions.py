"""Sessions: logging in, refreshing tokens, logging out.

Client-server API, "Login", "Refreshing access tokens" and "Soft logout".
"""

from __future__ import annotations

from homeserver.domain.errors import UnknownToken
from homeserver.domain.requester import Requester
from homeserver.ports.accounts.accounts import Account, AccountEvents
from homeserver.ports.accounts.session_tokens import TokenKey
from homeserver.ports.accounts.sessions import RefreshSession, SessionStore
from homeserver.ports.clock import Clock
from homeserver.services.accounts.account_standing import require_usable
from homeserver.services.accounts.session_tokens import (
    IssuedSession,
    SessionLifetimes,
    SessionRequest,
    issue_session,
)
from homeserver.services.accounts.token_cache import TokenCache


class Sessions:
    """Opens sessions and keeps them going."""

    def __init__(
        self,
        sessions: SessionStore,
        cache: TokenCache,
        events: AccountEvents,
        clock: Clock,
        lifetimes: SessionLifetimes,
    ) -> None:
        self._sessions = sessions
        self._cache = cache
        self._events = events
        self._clock = clock
        self._lifetimes = lifetimes

    async def open(self, account: Account, request: SessionRequest) -> IssuedSession:
        """Log a device in to an account whose owner has proved who they are.

        A device that has tokens loses them. Raises UserDeactivated and UserLocked.
        """
        require_usable(account)
        user_id = account.user_id
        issued = issue_session(user_id, request, self._lifetimes, self._clock.now_ms())
        opened = await self._sessions.open(issued.row)
        if opened.had_tokens:
            self._cache.drop_devices(user_id, {issued.device_id})
            await self._events.sessions_ended(user_id, [issued.device_id])
        if opened.is_new_device:
            await self._events.device_changed(user_id, issued.device_id)
        return issued

    async def refresh(self, refresh_token: str) -> IssuedSession:
        """Exchange a refresh token for new tokens of the same device.

        It stays valid until one of the new ones is used, so a client that did not receive them may
        ask again. Raises UnknownToken (with ``soft_logout`` when it has expired), UserDeactivated
        and UserLocked.
        """
        session = await self._sessions.by_refresh_token(TokenKey.of(refresh_token))
        now_ms = self._clock.now_ms()
        if session is None:
            raise UnknownToken("Unrecognised refresh token")
        if session.expires_ts is not None and session.expires_ts <= now_ms:
            raise UnknownToken("The refresh token has expired", soft_logout=True)
        require_usable(session.account)
        return await self._exchange(session, now_ms)

    async def _exchange(self, session: RefreshSession, now_ms: int) -> IssuedSession:
        request = SessionRequest(session.device_id, None, with_refresh_token=True)
        issued = issue_session(session.account.user_id, request, self._lifetimes, now_ms)
        revoked = await self._sessions.refresh(session.token_id, issued.row)
        if revoked is None:
            raise UnknownToken("Unrecognised refresh token")
        self._cache.drop(revoked)
        return issued

    async def revoke(self, requester: Requester) -> None:
        """Revoke the access token of a requester who has no device."""
        await self._sessions.revoke(requester.token_id)
        self._cache.drop_devices(requester.user_id, {None})
