"""Tokens for third parties, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from homeserver.api.accounts.openid import OpenIdApi
from homeserver.domain.errors import UnknownToken
from homeserver.http.rate_limits import RateLimiter
from homeserver.services.accounts.openid import OpenId
from storage.accounts.openid_tokens import SqlOpenIdTokenStore
from tests.homeserver.accounts import SERVER, AccountsServer
from tests.http_requests import TestClient
from tests.storage.conftest import DirectTransactions

V3 = "/_matrix/client/v3"


class OpenIdServer:
    """Accounts, and the tokens that prove whose they are."""

    def __init__(self, accounts: AccountsServer) -> None:
        self.accounts = accounts
        store = SqlOpenIdTokenStore(DirectTransactions(accounts.database))
        self.openid = OpenId(store, accounts.account_store, accounts.clock)
        self.client = TestClient(
            [OpenIdApi(self.openid, SERVER)],
            accounts.authentication,
            RateLimiter({}, accounts.clock.monotonic),
            accounts.clock,
        )


@pytest.fixture
def openid() -> Iterator[OpenIdServer]:
    with AccountsServer() as accounts:
        yield OpenIdServer(accounts)


async def test_a_user_gets_a_token_that_tells_who_they_are(openid: OpenIdServer) -> None:
    alice = await openid.accounts.register("alice")
    path = f"{V3}/user/{alice.user_id}/openid/request_token"
    response = await openid.client.request("POST", path, {}, token=alice.access_token)
    assert response.status == 200
    token = response.json.pop("access_token")
    assert response.json == {
        "token_type": "Bearer",
        "matrix_server_name": SERVER,
        "expires_in": 3600,
    }
    assert await openid.openid.user_of(token) == alice.user_id
    # It is good for nothing else.
    again = await openid.client.request("POST", path, {}, token=token)
    assert again.status == 401
    openid.accounts.clock.advance(3600)
    with pytest.raises(UnknownToken):
        await openid.openid.user_of(token)


async def test_tokens_are_for_oneself_only(openid: OpenIdServer) -> None:
    alice = await openid.accounts.register("alice")
    path = f"{V3}/user/@bob:{SERVER}/openid/request_token"
    response = await openid.client.request("POST", path, {}, token=alice.access_token)
    assert (response.status, response.json["errcode"]) == (403, "M_FORBIDDEN")
    response = await openid.client.request("POST", path, {})
    assert (response.status, response.json["errcode"]) == (401, "M_MISSING_TOKEN")


async def test_the_body_must_be_an_object(openid: OpenIdServer) -> None:
    alice = await openid.accounts.register("alice")
    path = f"{V3}/user/{alice.user_id}/openid/request_token"
    response = await openid.client.request("POST", path, [], token=alice.access_token)
    assert (response.status, response.json["errcode"]) == (400, "M_BAD_JSON")
