"""Opening the configured database, and bringing it up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import attrs
import click
from twisted.internet.interfaces import IReactorFromThreads

from homeserver.domain.identifiers import ServerName
from homeserver.ports.database import DatabaseDown, Transaction
from homeserver.runtime.config import Config, ConfigError
from homeserver.runtime.config.error import show_value
from storage.engines.schema import SchemaTooNew
from storage.engines.schema import migrate as migrate_schema
from storage.engines.sqlite import SqliteDatabase

AnyDatabase = Any


@attrs.frozen
class OpenDatabase:
    """A database that is up to date, and where its log stands."""

    database: AnyDatabase
    high_water: list[int]


def open_database(config: Config, reactor: IReactorFromThreads) -> OpenDatabase:
    """Open the configured database, migrate it, and check that it is this server's.

    Raises ConfigError when it cannot be opened, is newer than the program, or belongs to a server
    of another name.
    """
    database = _engine(config, reactor)
    try:
        migrate_schema(database)
        high_water = database.write_blocking(
            lambda tx: _identify(tx, ServerName(config.server.name), config.shard_count)
        )
    except DatabaseDown as error:
        raise _unusable(config, _why(error)) from error
    except SchemaTooNew as error:
        raise _unusable(config, str(error)) from error
    return OpenDatabase(database, cast("list[int]", high_water))


def migrate(config: Config) -> None:
    """Bring the configured database to this program's schema, and say what was done."""
    database = _engine(config, cast("IReactorFromThreads", None))
    try:
        names = migrate_schema(database)
    except DatabaseDown as error:
        raise _unusable(config, _why(error)) from error
    except SchemaTooNew as error:
        raise _unusable(config, str(error)) from error
    finally:
        database.close()
    for name in names:
        click.echo(f"Applied {name}.")
    if not names:
        click.echo("The database is up to date.")


def _engine(config: Config, reactor: IReactorFromThreads) -> AnyDatabase:
    url = config.database_url
    if url.startswith("sqlite:"):
        path = Path(url.removeprefix("sqlite:///"))
        path.parent.mkdir(parents=True, exist_ok=True)
        return SqliteDatabase(path, reactor)
    if urlsplit(url).scheme in ("postgresql", "postgres"):
        # Only now: the driver takes memory that a server on SQLite does not need.
        from storage.engines.postgres import PostgresDatabase

        return PostgresDatabase(url, reactor, config.database.pool_size)
    raise _unusable(config, "it must begin with sqlite:/// or postgresql://")


def _why(error: DatabaseDown) -> str:
    return f"the database cannot be used: {' '.join(str(error).split())}"


def _unusable(config: Config, why: str) -> ConfigError:
    return ConfigError("configuration", "database.url", show_value(_shown(config)), why)


def _shown(config: Config) -> str:
    """The URL without its password."""
    url = urlsplit(config.database_url)
    return url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()


def _identify(tx: Transaction, server_name: ServerName, shards: int) -> list[int]:
    """Note whose database this is, or check it; the high water of every shard."""
    settings: dict[str, str] = dict(tx.all("SELECT name, value FROM settings"))
    if not settings:
        tx.insert(
            "INSERT INTO settings (name, value) VALUES",
            [("server_name", server_name), ("shards", str(shards))],
        )
        tx.insert("INSERT INTO shards (shard, high_water) VALUES", [(n, 0) for n in range(shards)])
    elif settings["server_name"] != server_name:
        raise ConfigError(
            "configuration",
            "server.name",
            show_value(server_name),
            f"the database belongs to {settings['server_name']}, and events carry that name",
        )
    return [row[0] for row in tx.all("SELECT high_water FROM shards ORDER BY shard")]
