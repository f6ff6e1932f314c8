"""The stages that this server knows.

Client-server API, "Authentication types".
"""

from __future__ import annotations

from typing import Final

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import Forbidden, LoginFailed
from homeserver.services.accounts.password_authentication import PasswordAuthentication
from homeserver.services.accounts.registration_tokens import RegistrationTokens
from homeserver.services.accounts.user_interactive_auth import Attempt

PASSWORD: Final = "m.login.password"
DUMMY: Final = "m.login.dummy"
REGISTRATION_TOKEN: Final = "m.login.registration_token"


class PasswordStage:
    """The user's password; proves the user ID.

    With an access token only that token's user can complete it.
    """

    type = PASSWORD

    def __init__(self, passwords: PasswordAuthentication) -> None:
        self._passwords = passwords

    def params(self) -> JsonObject | None:
        """Nothing to know."""
        return None

    async def complete(self, attempt: Attempt) -> str:
        """Raises LoginFailed for a wrong password or another user's."""
        account = await self._passwords.authenticate(attempt.credentials)
        if attempt.user_id is not None and account.user_id != attempt.user_id:
            raise LoginFailed()
        return account.user_id


class DummyStage:
    """Succeeds; proves nothing."""

    type = DUMMY

    def params(self) -> JsonObject | None:
        """Nothing to know."""
        return None

    async def complete(self, attempt: Attempt) -> str:
        """Any attempt will do."""
        return ""


class RegistrationTokenStage:
    """A registration token, of which a use is set aside for the session; proves the token."""

    type = REGISTRATION_TOKEN

    def __init__(self, tokens: RegistrationTokens) -> None:
        self._tokens = tokens

    def params(self) -> JsonObject | None:
        """Nothing to know."""
        return None

    async def complete(self, attempt: Attempt) -> str:
        """Raises Forbidden for a token of which no use is left."""
        token = attempt.credentials.get("token")
        if not isinstance(token, str) or not await self._tokens.reserve(token, attempt.session):
            raise Forbidden("The registration token is not valid")
        return token
