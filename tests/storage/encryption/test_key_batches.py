"""One-time keys of an older database can still be claimed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from homeserver.domain.device_keys import ClaimableKey
from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.database import Transaction
from homeserver.ports.encryption.device_keys import Claim
from storage.encryption.device_keys import SqlDeviceKeyStore
from storage.engines import schema
from storage.engines.postgres import PostgresDatabase
from storage.engines.schema import known_migrations, migrate
from storage.engines.sqlite import SqliteDatabase
from tests.storage.conftest import DirectTransactions

Engine = SqliteDatabase | PostgresDatabase

ALICE, PHONE, CURVE = UserId("@alice:hs"), DeviceId("PHONE"), "signed_curve25519"


@pytest.fixture(params=["sqlite", "postgres"])
def older(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Engine]:
    """A database as it was when each key had a row."""
    engine: Engine
    if request.param == "sqlite":
        engine = SqliteDatabase(tmp_path / "older.db", None)  # type: ignore[arg-type]
    else:
        dsn = request.getfixturevalue("postgres_cluster").create_database()
        engine = PostgresDatabase(dsn, None)  # type: ignore[arg-type]
    known = known_migrations()
    with monkeypatch.context() as patched:
        patched.setattr(schema, "known_migrations", lambda: [m for m in known if m[0] < 20])
        migrate(engine)
    yield engine
    engine.close()


async def test_keys_and_claims_of_an_older_database_are_kept(older: Engine) -> None:
    keys = [ClaimableKey(CURVE, key_id, b'{"key":"%d"}' % n) for n, key_id in enumerate('b"a\n\\')]
    claimed = [ClaimableKey(CURVE, key_id, b'"k"') for key_id in ("old", "new")]

    def fill(tx: Transaction) -> None:
        tx.insert(
            """INSERT INTO one_time_keys
                (user_id, device_id, algorithm, key_id, position, key) VALUES""",
            [(ALICE, PHONE, CURVE, key.key_id, n, key.key) for n, key in enumerate(keys)],
        )
        tx.insert(
            """INSERT INTO claimed_one_time_keys
                (user_id, device_id, algorithm, key_id, claimed_ts) VALUES""",
            [(ALICE, PHONE, CURVE, key.key_id, 500 + n) for n, key in enumerate(claimed)],
        )

    older.write_blocking(fill)
    migrate(older)

    transactions = DirectTransactions(older)
    store, phone = SqlDeviceKeyStore(transactions), (ALICE, PHONE)
    await transactions.write(store.add_one_time_keys, phone, [*claimed, *keys], 1000, 500)
    assert await transactions.read(store.counts, phone) == {CURVE: len(keys)}
    claim = Claim(ALICE, PHONE, CURVE)
    taken = [(await transactions.write(store.claim, [claim], 1000))[0].key for _ in keys]
    assert taken == keys
    assert await transactions.write(store.claim, [claim], 1000) == []
