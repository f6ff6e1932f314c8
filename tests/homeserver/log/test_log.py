"""The log: group commit, positions, publication, and what happens when a commit fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_asyncio
from twisted.internet.defer import Deferred

from homeserver.log.entries import Entry
from homeserver.log.log import RESERVED, Log, all_committed
from homeserver.ports.database import Transaction, UniqueViolation
from tests.interruptible import Interruptible
from tests.rooms_fixture import Engine, RoomsCore, sqlite_at


@attrs.frozen(slots=True)
class Note(Entry):
    """An entry that says something."""

    text: str


@pytest_asyncio.fixture
async def core(tmp_path: Path) -> AsyncIterator[RoomsCore]:
    made = RoomsCore(sqlite_at(tmp_path / "myelin.db"))
    yield made
    await made.close()


def setting(name: str) -> Callable[[Transaction], str]:
    """Work that stores something once, and answers its name."""

    def work(tx: Transaction) -> str:
        tx.execute("INSERT INTO settings (name, value) VALUES (?, '')", (name,))
        return name

    return work


def stored(core: RoomsCore) -> set[str]:
    return {name for (name,) in core.rows("SELECT name FROM settings")}


def note(log: Log, text: str) -> Note:
    return Note(0, log.next_position(0), text)


async def outcomes(writes: Sequence[Deferred[Any]]) -> list[str]:
    """What became of writes: their results, or the names of their errors."""
    found = []
    for write in writes:
        try:
            found.append(str(await write))
        except Exception as error:
            found.append(type(error).__name__)
    return found


async def test_what_arrives_during_a_commit_is_committed_together(core: RoomsCore) -> None:
    writes = [core.log.write(setting(name)) for name in ("first", "a", "b", "c")]

    assert await outcomes(writes) == ["first", "a", "b", "c"]
    assert core.batches == [1, 3]


async def test_entries_are_published_in_the_order_of_their_positions(core: RoomsCore) -> None:
    writes = [core.log.append(note(core.log, text), setting(text)) for text in "abcde"]
    await all_committed(writes)

    assert [entry.text for entry in core.entries if isinstance(entry, Note)] == list("abcde")
    assert [entry.position for entry in core.entries] == [1, 2, 3, 4, 5]
    assert core.log.published == [5]


async def test_entries_of_one_work_are_published_together_or_not_at_all(core: RoomsCore) -> None:
    notes = [note(core.log, text) for text in "ab"]
    assert await core.log.append_all(notes, setting("both")) == "both"
    failing = [note(core.log, text) for text in "cd"]
    assert await outcomes([core.log.append_all(failing, setting("both"))]) == ["UniqueViolation"]

    assert [entry.text for entry in core.entries if isinstance(entry, Note)] == list("ab")
    assert stored(core) >= {"both"}


async def test_an_entry_is_published_before_its_writer_is_answered(core: RoomsCore) -> None:
    order: list[str] = []
    core.log.subscribe(lambda entries: order.append("published"))

    write: Deferred[Any] = core.log.append(note(core.log, "a"), setting("a"))
    write.addCallback(order.append)
    await write

    assert order == ["published", "a"]


async def test_nothing_is_published_before_it_is_committed(core: RoomsCore) -> None:
    seen: list[set[str]] = []
    core.log.subscribe(lambda entries: seen.append(stored(core)))

    await core.log.append(note(core.log, "a"), setting("a"))

    assert seen == [{"a"}]


@pytest.mark.parametrize("poisoned", range(7))
async def test_a_poisoned_write_fails_alone(core: RoomsCore, poisoned: int) -> None:
    core.execute("INSERT INTO settings (name, value) VALUES ('taken', '')")
    names = [f"w{n}" for n in range(7)]
    names[poisoned] = "taken"
    log = core.log

    writes = [log.write(setting("first"))]
    writes += [log.append(note(log, name), setting(name)) for name in names]
    results = await outcomes(writes)

    expected = list(names)
    expected[poisoned] = UniqueViolation.__name__
    assert results == ["first", *expected]
    assert stored(core) == {"first", *names}
    texts = [entry.text for entry in core.entries if isinstance(entry, Note)]
    assert texts == [name for name in names if name != "taken"]
    positions = [entry.position for entry in core.entries]
    assert positions == sorted(positions)


async def test_a_write_whose_work_raises_gets_the_error(core: RoomsCore) -> None:
    def broken(tx: Transaction) -> None:
        tx.execute("INSERT INTO settings (name, value) VALUES ('half', '')")
        raise LookupError("nothing there")

    writes: list[Deferred[Any]] = [core.log.write(broken), core.log.write(setting("after"))]

    assert await outcomes(writes) == ["LookupError", "after"]
    assert stored(core) == {"after"}


async def test_when_the_database_is_away_all_fail_and_later_writes_succeed(
    tmp_path: Path,
) -> None:
    databases: list[Interruptible] = []

    def through(engine: Engine) -> Interruptible:
        databases.append(Interruptible(engine))
        return databases[0]

    core = RoomsCore(sqlite_at(tmp_path / "myelin.db"), through)
    databases[0].is_down = True
    failing = [core.log.append(note(core.log, text), setting(text)) for text in "abc"]
    assert await outcomes(failing) == ["DatabaseDown"] * 3
    assert (stored(core), core.entries) == (set(), [])

    databases[0].is_down = False
    assert await core.log.append(note(core.log, "d"), setting("d")) == "d"
    assert core.log.published == [4]
    await core.close()


async def test_positions_go_on_above_all_that_were_handed_out_before_a_restart(
    core: RoomsCore,
) -> None:
    await all_committed([core.log.append(note(core.log, str(n))) for n in range(RESERVED + 500)])
    highest = core.log.published[0]

    restarted = await core.restart()

    assert restarted.log.next_position(0) > highest
    await restarted.close()


async def test_entries_that_are_not_stored_take_a_transaction_only_to_reserve_positions(
    core: RoomsCore,
) -> None:
    for n in range(20):
        await core.log.append(note(core.log, str(n)))

    assert len(core.batches) == 1
    assert len(core.entries) == 20


async def test_a_subscriber_that_fails_stops_neither_others_nor_the_log(core: RoomsCore) -> None:
    def fail(entries: Sequence[Entry]) -> None:
        raise LookupError("a bug")

    heard: list[Entry] = []
    core.log.subscribe(fail)
    core.log.subscribe(heard.extend)

    assert await core.log.append(note(core.log, "a"), setting("a")) == "a"
    assert await core.log.append(note(core.log, "b"), setting("b")) == "b"
    assert len(heard) == 2


async def test_drained_waits_for_what_is_pending(core: RoomsCore) -> None:
    core.log.write(setting("a"))
    core.log.write(setting("b"))

    await core.log.drained()

    assert stored(core) == {"a", "b"}
    await core.log.drained()


async def test_waiting_for_several_commits_raises_what_the_first_failed_with(
    core: RoomsCore,
) -> None:
    core.execute("INSERT INTO settings (name, value) VALUES ('taken', '')")
    writes = [core.log.write(setting(name)) for name in ("a", "taken", "b")]

    with pytest.raises(UniqueViolation):
        await all_committed(writes)

    assert stored(core) == {"a", "b", "taken"}
