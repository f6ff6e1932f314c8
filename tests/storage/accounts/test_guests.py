"""Which accounts are those of guests."""

from __future__ import annotations

from homeserver.domain.identifiers import UserId
from homeserver.ports.accounts.accounts import NewAccount
from homeserver.ports.database import Transactions
from storage.accounts.accounts import SqlAccountStore
from storage.accounts.guests import SqlGuestStore


async def test_guests_are_told_from_others(transactions: Transactions) -> None:
    accounts = SqlAccountStore(transactions)
    for name in ("guest", "alice"):
        account = NewAccount(UserId(f"@{name}:hs"), 0, is_guest=name == "guest")
        await accounts.register(account, None)
    asked = [UserId(user) for user in ("@guest:hs", "@alice:hs", "@nobody:hs")]

    store = SqlGuestStore(transactions)

    assert await store.guests_among(asked) == ["@guest:hs"]
    assert await store.guests_among([]) == []
