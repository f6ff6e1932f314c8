"""The command `myelin`.

What a command needs is imported inside it: `myelin version` must not wait for Twisted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click

_config_option = click.option(
    "--config",
    "-c",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="MYELIN_CONFIG",
    help="Configuration file.  [default: myelin.toml if it is there]",
)


@contextmanager
def _configuration_errors() -> Iterator[None]:
    """Show what is wrong with the configuration as one line, not as a traceback."""
    from homeserver.runtime.config import ConfigError

    try:
        yield
    except ConfigError as error:
        raise click.ClickException(str(error)) from error


class _Commands(click.Group):
    """All commands. Those that look after a running server are imported when they are asked for:
    the server itself has no use for them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), "admin"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "admin":
            from homeserver.runtime.admin.commands import admin

            return admin
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Myelin, a Matrix homeserver."""


@main.command()
@click.option("--server-name", default="localhost", show_default=True, help="Name of the server.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Where to write the files.  [default: the working directory]",
)
def init(server_name: str, directory: Path) -> None:
    """Write a commented configuration and a signing key."""
    from homeserver.runtime.config import parse_config
    from homeserver.runtime.config.reference import render_template
    from homeserver.runtime.signing_keys import new_signing_key, write_signing_key

    config_path, key_path = directory / "myelin.toml", directory / "signing.key"
    for path in (config_path, key_path):
        if path.exists():
            raise click.ClickException(f"{path} exists already; nothing was written")
    document = render_template(
        {"server.name": server_name, "server.signing_key_path": key_path.name}
    )
    with _configuration_errors():
        parse_config(document, directory, {}, source="--server-name")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_signing_key(key_path, new_signing_key())
        with config_path.open("x", encoding="utf-8") as file:
            file.write(document)
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error
    click.echo(f"Wrote {config_path} and {key_path}.")
    click.echo(f"Next: look it through, then run `myelin serve --config {config_path}`.")


@main.command()
@_config_option
def serve(config_path: Path | None) -> None:
    """Run the server until SIGTERM or Ctrl-C."""
    from homeserver.runtime.config import load_config

    with _configuration_errors():
        config = load_config(config_path)
        # Only now: Twisted and all that stands on it take a while to import.
        from homeserver.runtime.server import run

        run(config)


@main.command()
@_config_option
def migrate(config_path: Path | None) -> None:
    """Bring the database to this version's schema."""
    from homeserver.runtime.config import load_config

    with _configuration_errors():
        config = load_config(config_path)
        from homeserver.runtime.database import migrate as migrate_database

        migrate_database(config)


@main.command()
@_config_option
def check_config(config_path: Path | None) -> None:
    """Check the configuration and sum it up."""
    from homeserver.runtime.config import load_config
    from homeserver.runtime.config.summary import summary_lines

    with _configuration_errors():
        config = load_config(config_path)
    for line in summary_lines(config):
        click.echo(line)


@main.command()
@_config_option
@click.option("--user", "-u", "username", help="User name, the part before the colon.")
@click.option("--password", "-p", help="Password; other users of the machine may see it here.")
@click.option(
    "--password-file",
    type=click.File(encoding="utf-8"),
    help="File to read the password from; - is standard input.",
)
@click.option("--admin/--no-admin", default=None, help="Make the user a server administrator.")
@click.option("--url", help="URL of the server.  [default: the configuration's first listener]")
@click.option(
    "--shared-secret-file",
    type=click.File(encoding="utf-8"),
    help="File with the server's registration secret.  [default: the configuration's]",
)
def register_user(
    config_path: Path | None,
    username: str | None,
    password: str | None,
    password_file: TextIO | None,
    admin: bool | None,
    url: str | None,
    shared_secret_file: TextIO | None,
) -> None:
    """Create an account on the running server.

    Asks for what is not given.
    """
    from homeserver.runtime import admin_registration
    from homeserver.runtime.config import load_config
    from homeserver.runtime.registration_secret import read_registration_secret

    with _configuration_errors():
        config = load_config(config_path)
        if shared_secret_file is not None:
            secret = shared_secret_file.read().strip()
        else:
            secret = read_registration_secret(config)
    if username is None:
        username = str(click.prompt("User name"))
        if admin is None:
            admin = click.confirm("Make this user a server administrator?", default=False)
    if password_file is not None:
        password = password_file.read().rstrip("\r\n")
    if password is None:
        password = str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    try:
        user_id = admin_registration.register_user(
            url or config.local_url, secret, username, password, admin=bool(admin)
        )
    except admin_registration.RegistrationFailed as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Created {user_id}.")


@main.command()
def version() -> None:
    """Print the version."""
    from homeserver.runtime.version import program_version

    click.echo(f"myelin {program_version()}")


if __name__ == "__main__":
    main()
