"""Who makes a request, by its access token.

Client-server API, "Using access tokens", "Soft logout" and "Account locking".
"""

from __future__ import annotations

from homeserver.domain.errors import UnknownToken, UserLocked
from homeserver.domain.identifiers import UserId
from homeserver.domain.requester import Requester
from homeserver.ports.accounts.session_tokens import TokenKey
from homeserver.ports.accounts.sessions import AccessSession, SessionStore
from homeserver.ports.clock import Clock
from homeserver.services.accounts.account_standing import require_usable
from homeserver.services.accounts.last_seen import LastSeen
from homeserver.services.accounts.token_cache import TokenCache


class Authentication:
    """See :class:`homeserver.http.authentication.Authenticator`."""

    def __init__(
        self, sessions: SessionStore, cache: TokenCache, last_seen: LastSeen, clock: Clock
    ) -> None:
        self._sessions = sessions
        self._cache = cache
        self._last_seen = last_seen
        self._clock = clock

    def remembered(self, token: str) -> Requester | None:
        """The requester of a token seen before, without waiting, or None."""
        return self._cache.find(TokenKey.of(token).digest, self._clock.now_ms())

    async def authenticate(self, token: str) -> Requester:
        """The requester of a token.

        Raises UnknownToken (with ``soft_logout`` when it has expired, as the device remains),
        UserLocked and UserDeactivated.
        """
        key = TokenKey.of(token)
        generation = self._cache.generation
        session = await self._session(key)
        require_usable(session.account)
        requester = _requester(session)
        if session.unconfirmed is not None:
            self._cache.drop(await self._sessions.confirm(session.unconfirmed))
        elif self._cache.generation == generation:
            self._cache.put(key.digest, requester, session.expires_ts)
        return requester

    async def authenticate_to_leave(self, token: str) -> Requester:
        """As `authenticate`, but a locked account is let through: it may log out."""
        try:
            return self.remembered(token) or await self.authenticate(token)
        except UserLocked:
            return _requester(await self._session(TokenKey.of(token)))

    def forget(self, user_id: UserId) -> None:
        """What a user may do has changed: ask the database at their next request."""
        self._cache.drop_user(user_id)

    def note_use(self, requester: Requester, address: str, user_agent: str, now_ms: int) -> None:
        """Remember when and from where a session was last seen. Does no I/O."""
        self._last_seen.note(requester, address, user_agent, now_ms)

    async def _session(self, key: TokenKey) -> AccessSession:
        session = await self._sessions.by_access_token(key)
        if session is None:
            raise UnknownToken()
        if session.expires_ts is not None and session.expires_ts <= self._clock.now_ms():
            raise UnknownToken("The access token has expired", soft_logout=True)
        return session


def _requester(session: AccessSession) -> Requester:
    account = session.account
    return Requester(
        account.user_id,
        session.device_id,
        session.token_id,
        is_guest=account.is_guest,
        is_admin=account.is_admin,
        is_suspended=account.is_suspended,
    )
