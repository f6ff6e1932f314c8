"""The commands of `myelin admin`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from homeserver.runtime.admin.federation_text import blocked_lines, destination_lines
from homeserver.runtime.admin.requests import AdminRequestFailed, AdminRequests
from homeserver.runtime.admin.room_text import check_lines, event_lines, room_lines

_json_option = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
_room_argument = click.argument("room_id", metavar="ROOM")
_server_argument = click.argument("server_name", metavar="SERVER")

Answer = dict[str, Any]


@click.group()
@click.option(
    "--config",
    "-c",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="MYELIN_CONFIG",
    help="Configuration file.  [default: myelin.toml if it is there]",
)
@click.option("--url", help="URL of the server.  [default: the configuration's first listener]")
@click.option(
    "--token-file",
    type=click.File(encoding="utf-8"),
    help="File with an administrator's access token.  [default: the server's operator.token]",
)
@click.pass_context
def admin(
    context: click.Context, config_path: Path | None, url: str | None, token_file: Any
) -> None:
    """Look after the running server."""
    context.obj = lambda: _requests(config_path, url, token_file)


@admin.group()
def federation() -> None:
    """Other servers: which answer, and which are talked to at all."""


@federation.command()
@_json_option
@click.pass_obj
def destinations(connect: Callable[[], AdminRequests], as_json: bool) -> None:
    """List other servers and how far each is."""
    answer = _asked(lambda: connect().get("federation", "destinations"))
    _show(answer, destination_lines(answer["destinations"]), as_json)


@federation.command()
@_server_argument
@_json_option
@click.pass_obj
def reset(connect: Callable[[], AdminRequests], server_name: str, as_json: bool) -> None:
    """Try a server at once that is left alone."""
    path = ("federation", "destinations", server_name, "reset")
    answer = _asked(lambda: connect().call("POST", *path, body={}))
    _show(answer, destination_lines([answer]), as_json)


@federation.command()
@_json_option
@click.pass_obj
def blocked(connect: Callable[[], AdminRequests], as_json: bool) -> None:
    """List the servers that were blocked here."""
    answer = _asked(lambda: connect().get("federation", "blocked"))
    _show(answer, blocked_lines(answer["blocked"]), as_json)


@federation.command()
@_server_argument
@click.pass_obj
def block(connect: Callable[[], AdminRequests], server_name: str) -> None:
    """Exchange nothing with a server any more."""
    _asked(lambda: connect().call("PUT", "federation", "blocked", server_name, body={}))
    click.echo(f"Blocked {server_name}.")


@federation.command()
@_server_argument
@click.pass_obj
def unblock(connect: Callable[[], AdminRequests], server_name: str) -> None:
    """Talk to a server again that was blocked here."""
    _asked(lambda: connect().call("DELETE", "federation", "blocked", server_name))
    click.echo(f"Unblocked {server_name}.")


@admin.group()
def room() -> None:
    """The state of rooms: look at it, check it, mend it."""


@room.command()
@_room_argument
@click.option(
    "--event", metavar="EVENT", help="Show the state before this event and what allows it."
)
@_json_option
@click.pass_obj
def inspect(
    connect: Callable[[], AdminRequests], room_id: str, event: str | None, as_json: bool
) -> None:
    """Show what there is of a room."""
    query = {"event": event} if event is not None else None
    answer = _asked(lambda: connect().get("rooms", room_id, query=query))
    _show(answer, room_lines(answer) if event is None else event_lines(answer), as_json)


@room.command()
@_room_argument
@_json_option
@click.pass_obj
def check(connect: Callable[[], AdminRequests], room_id: str, as_json: bool) -> None:
    """Work out the state of a room again, and compare.

    Ends with status 2 when something differs.
    """
    answer = _asked(lambda: connect().get("rooms", room_id, "check"))
    _show(answer, check_lines(answer), as_json)
    if not answer["is_right"]:
        raise SystemExit(2)


@room.command()
@_room_argument
@click.option("--apply", is_flag=True, help="Mend the room; without this it is only told how.")
@_json_option
@click.pass_obj
def rebuild(connect: Callable[[], AdminRequests], room_id: str, apply: bool, as_json: bool) -> None:
    """Make what the events tell the state of a room."""
    body = {"apply": apply}
    answer = _asked(lambda: connect().call("POST", "rooms", room_id, "rebuild", body=body))
    done = f"Mended by {answer['event_id']}." if apply else "Nothing was changed; see --apply."
    _show(answer, [*check_lines(answer), done], as_json)


def _requests(config_path: Path | None, url: str | None, token_file: Any) -> AdminRequests:
    from homeserver.runtime.config import ConfigError, load_config
    from homeserver.runtime.operator_token import read_operator_token

    try:
        config = load_config(config_path)
        token = token_file.read().strip() if token_file else read_operator_token(config)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    return AdminRequests(url or config.local_url, token)


def _asked(ask: Callable[[], Answer]) -> Answer:
    try:
        return ask()
    except AdminRequestFailed as error:
        raise click.ClickException(str(error)) from error


def _show(answer: Answer, lines: Iterable[str], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    for line in lines:
        click.echo(line)
