"""The server as a process: how it starts, serves, suffers and stops."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from synctest.accounts import register_openly
from synctest.client import Client, path_of
from synctest.connection import Homeserver, RequestFailed
from synctest.postgres import PostgresCluster
from tests.homeserver.runtime.server_process import ServerProcess

METRICS = (
    "myelin_requests_total",
    "myelin_request_seconds",
    "myelin_log_position",
    "myelin_batch_entries",
    "myelin_commit_seconds",
    "myelin_waiting_syncs",
    "myelin_database_pool_used",
    "myelin_database_pool_size",
    "myelin_reactor_lag_seconds",
    "myelin_cache_bytes",
    "process_resident_memory_bytes",
)


async def alice_in_a_room(homeserver: Homeserver) -> tuple[Client, str]:
    alice = await register_openly(homeserver, "alice")
    return alice, await alice.create_room()


async def settled(client: Client) -> str:
    """A token after which there is nothing new."""
    token: str = (await client.sync())["next_batch"]
    while (following := (await client.sync(token))["next_batch"]) != token:
        token = following
    return token


async def until_waiting(homeserver: Homeserver, count: int) -> None:
    """Wait until so many syncs wait."""
    line = f"myelin_waiting_syncs {count}.0".encode()
    for _ in range(1000):
        if line in (await homeserver.request("GET", "/metrics")).body:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the syncs do not wait")


# --- starting


async def test_without_a_configuration_it_serves_this_machine(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 8008))
        except OSError:
            pytest.skip("something else uses port 8008")
    async with ServerProcess(tmp_path, None) as server, Homeserver(server.url) as homeserver:
        alice = await register_openly(homeserver, "alice")
        assert alice.user_id == "@alice:localhost"
        assert (tmp_path / "data" / "myelin.db").exists()
        status, _ = await server.ends()
        assert status == 0


def only_line(errors: str) -> str:
    (line,) = errors.splitlines()
    return line


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    with socket.create_server(("127.0.0.1", server.port)):
        status, errors = server.fails()
    assert status == 1
    assert only_line(errors).startswith(
        f"Error: configuration: server.listeners[0].port = {server.port}: it cannot be listened on"
    )


async def test_a_database_of_another_server_is_refused(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path, name="one.example") as server:
        await server.ends()
    status, errors = ServerProcess(tmp_path, name="two.example").fails()
    assert status == 1
    assert 'server.name = "two.example"' in only_line(errors)
    assert "belongs to one.example" in errors


async def test_a_database_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server:
        await server.ends()
    with sqlite3.connect(tmp_path / "data" / "myelin.db") as connection:
        connection.execute("INSERT INTO schema_version VALUES (9999, 'of_the_future')")
    status, errors = ServerProcess(tmp_path).fails()
    assert status == 1
    assert "database.url" in only_line(errors)
    assert "the database has migration 9999" in errors


def test_a_database_that_cannot_be_reached_is_named_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql://user:hunter2@127.0.0.1:{free_port_of_nobody()}/myelin"
    status, errors = ServerProcess(tmp_path, f"[database]\nurl = '{url}'\n").fails()
    assert status == 1
    assert "database.url" in only_line(errors)
    assert "hunter2" not in errors


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way", encoding="utf-8")
    status, errors = ServerProcess(tmp_path).fails()
    assert status == 1
    assert only_line(errors) == (
        f"Error: configuration: {tmp_path}/data cannot be used: File exists"
    )


def free_port_of_nobody() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


# --- serving


async def test_it_tells_operators_how_it_is(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server, Homeserver(server.url) as homeserver:
        alice, room_id = await alice_in_a_room(homeserver)
        await alice.say(room_id, "hello")
        await alice.sync()
        health = await homeserver.request("GET", "/health")
        assert (health.status, json.loads(health.body)) == (200, {"status": "ok"})
        metrics = await homeserver.request("GET", "/metrics")
        assert metrics.content_type == "text/plain"
        figures = metrics.body.decode()
        assert [name for name in METRICS if name not in figures] == []
        send = "/_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}"
        assert f'myelin_requests_total{{method="PUT",route="{send}",status="200"}} 1.0' in figures


def certificate_chain(directory: Path) -> tuple[ssl.SSLContext, Path, Path]:
    """A certificate for localhost, by way of an intermediate authority: a client that trusts only
    the root, the chain and the key."""

    def issue(
        subject: str,
        key: ec.EllipticCurvePrivateKey,
        issuer: str,
        issuer_key: ec.EllipticCurvePrivateKey,
        *,
        is_authority: bool,
    ) -> bytes:
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(issuer_key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)

    root_key, middle_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    root = issue("root", root_key, "root", root_key, is_authority=True)
    middle = issue("middle", middle_key, "root", root_key, is_authority=True)
    leaf = issue("localhost", key, "middle", middle_key, is_authority=False)
    chain_path, key_path = directory / "chain.pem", directory / "key.pem"
    chain_path.write_bytes(leaf + middle)
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return ssl.create_default_context(cadata=root.decode()), chain_path, key_path


async def test_a_listener_with_a_certificate_speaks_tls(tmp_path: Path) -> None:
    trusting, chain, key = certificate_chain(tmp_path)
    server = ServerProcess(tmp_path)
    port = free_port_of_nobody()
    with (tmp_path / "myelin.toml").open("a", encoding="utf-8") as config:
        config.write(
            f"[[server.listeners]]\nport = {port}\n"
            f"tls_certificate = '{chain}'\ntls_private_key = '{key}'\n"
        )
    async with server:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trusting, server_hostname="localhost"
        )
        for _ in range(2):
            writer.write(b"GET /_matrix/client/versions HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            assert head.startswith("HTTP/1.1 200 OK")
            length = int(head.partition("Content-Length: ")[2].split()[0])
            assert "versions" in json.loads(await reader.readexactly(length))
        writer.close()
        status, _ = await server.ends()
        assert status == 0


async def handshake(port: int, trusting: ssl.SSLContext) -> bool:
    """Whether a client that trusts a root can make a connection."""
    try:
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trusting, server_hostname="localhost"
        )
    except ssl.SSLCertVerificationError:
        return False
    writer.close()
    return True


async def test_a_certificate_is_replaced_without_a_restart(tmp_path: Path) -> None:
    first, chain, key = certificate_chain(tmp_path)
    server = ServerProcess(tmp_path)
    port = free_port_of_nobody()
    with (tmp_path / "myelin.toml").open("a", encoding="utf-8") as config:
        config.write(
            f"[[server.listeners]]\nport = {port}\n"
            f"tls_certificate = '{chain}'\ntls_private_key = '{key}'\n"
        )
    async with server:
        assert await handshake(port, first)
        chain.write_text("half of a certificate", encoding="utf-8")
        assert await handshake(port, first)
        second, _, _ = certificate_chain(tmp_path)
        assert await handshake(port, second)
        assert not await handshake(port, first)
        status, log = await server.ends()
        assert status == 0
        assert "certificate_not_renewed" in log
        assert "certificate_renewed" in log


async def test_a_listener_serves_what_it_is_for(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    port = free_port_of_nobody()
    with (tmp_path / "myelin.toml").open("a", encoding="utf-8") as config:
        config.write(f"[[server.listeners]]\nport = {port}\nresources = ['federation']\n")
    async with server, Homeserver(f"http://127.0.0.1:{port}") as federation:
        assert (await federation.request("GET", "/health")).status == 200
        for path in ("/_matrix/client/versions", "/metrics"):
            assert (await federation.request("GET", path)).status == 404


@pytest.mark.parametrize("broken", ["chain.pem", "key.pem"])
def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path, broken: str) -> None:
    _, chain, key = certificate_chain(tmp_path)
    (tmp_path / broken).write_text("nonsense", encoding="utf-8")
    server = ServerProcess(tmp_path)
    with (tmp_path / "myelin.toml").open("a", encoding="utf-8") as config:
        config.write(
            f"[[server.listeners]]\nport = {free_port_of_nobody()}\n"
            f"tls_certificate = '{chain}'\ntls_private_key = '{key}'\n"
        )
    status, errors = server.fails()
    assert status == 1
    named = "tls_certificate" if broken == "chain.pem" else "tls_private_key"
    assert f"server.listeners[1].{named}" in only_line(errors)


# --- stopping


async def test_told_to_stop_it_answers_what_it_was_asked_and_ends(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server, Homeserver(server.url) as homeserver:
        alice, room_id = await alice_in_a_room(homeserver)
        token = await settled(alice)
        polls = [asyncio.create_task(alice.sync(token, timeout_ms=30_000)) for _ in range(3)]
        await until_waiting(homeserver, len(polls))
        sends = [asyncio.create_task(alice.say(room_id, str(number))) for number in range(20)]
        await asyncio.wait(sends, return_when=asyncio.FIRST_COMPLETED)
        status, errors = await server.ends()

        for answer in await asyncio.gather(*polls):
            assert answer["next_batch"]
        assert status == 0
        assert "Traceback" not in errors
        outcomes = await asyncio.gather(*sends, return_exceptions=True)
        acknowledged = {outcome for outcome in outcomes if isinstance(outcome, str)}
        assert acknowledged

    async with server:
        async with Homeserver(server.url) as homeserver:
            alice.homeserver = homeserver
            page = await alice.messages(room_id)
        assert acknowledged <= {event["event_id"] for event in page["chunk"]}


async def test_a_client_that_keeps_asking_does_not_keep_it_from_stopping(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server, Homeserver(server.url) as homeserver:
        alice = await register_openly(homeserver, "alice")

        async def follow() -> None:
            token = None
            while True:
                token = (await alice.sync(token, timeout_ms=30_000))["next_batch"]

        followers = [asyncio.create_task(follow()) for _ in range(3)]
        await until_waiting(homeserver, len(followers))
        status, errors = await server.ends()
        assert status == 0
        assert "Traceback" not in errors
        outcomes = await asyncio.gather(*followers, return_exceptions=True)
        assert len(outcomes) == len(followers)


# --- while PostgreSQL is away


@pytest.fixture
def cluster() -> Iterator[PostgresCluster]:
    with PostgresCluster() as made:
        yield made


async def test_it_outlives_its_database(tmp_path: Path, cluster: PostgresCluster) -> None:
    url = cluster.create_database()
    configured = ServerProcess(tmp_path, f"[database]\nurl = '{url}'\n")
    async with configured as server, Homeserver(server.url) as homeserver:
        alice, room_id = await alice_in_a_room(homeserver)
        acknowledged = [await alice.say(room_id, "before")]
        token = (await alice.sync())["next_batch"]

        cluster.stop()
        health = await homeserver.request("GET", "/health")
        assert (health.status, json.loads(health.body)) == (503, {"status": "database unavailable"})
        for number in range(3):
            with pytest.raises(RequestFailed) as refused:
                await alice.say(room_id, "meanwhile", txn_id=f"txn{number}")
            assert (refused.value.status, refused.value.errcode) == (503, "M_LIMIT_EXCEEDED")
        assert (await homeserver.request("GET", "/_matrix/client/versions")).status == 200

        cluster.start()
        assert (await homeserver.request("GET", "/health")).status == 200
        acknowledged += [
            await alice.say(room_id, "meanwhile", txn_id=f"txn{number}") for number in range(3)
        ]
        timeline = (await alice.sync(token))["rooms"]["join"][room_id]["timeline"]["events"]
        assert [event["event_id"] for event in timeline] == acknowledged[1:]
        chunk = (await alice.messages(room_id))["chunk"]
        said = [event["event_id"] for event in chunk if event["type"] == "m.room.message"]
        assert said == acknowledged[::-1]
        state = await homeserver.call(
            "GET", path_of("rooms", room_id, "joined_members"), token=alice.token
        )
        assert list(state["joined"]) == [alice.user_id]
        status, _ = await server.ends()
        assert status == 0
