"""The command line, with real files and a real HTTP server behind `register-user`."""

from __future__ import annotations

import hashlib
import hmac
import json
import stat
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner, Result

from homeserver.cli import main
from homeserver.runtime.signing_keys import read_signing_keys

SECRET = "the shared secret"


def run(*arguments: str | Path, typed: str | None = None) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments], input=typed)


def write_config(directory: Path, document: str) -> Path:
    path = directory / "myelin.toml"
    path.write_text(document, encoding="utf-8")
    return path


class AdminRegistration(BaseHTTPRequestHandler):
    """The de-facto registration endpoint, as a server of any make has it."""

    accounts: dict[str, tuple[str, bool]]

    def do_GET(self) -> None:
        self._answer(200, {"nonce": "a-nonce"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        role = b"admin" if body["admin"] else b"notadmin"
        proof = hmac.new(SECRET.encode(), digestmod=hashlib.sha1)
        proof.update(
            b"\x00".join([b"a-nonce", body["username"].encode(), body["password"].encode()])
        )
        proof.update(b"\x00" + role)
        if not hmac.compare_digest(proof.hexdigest(), body["mac"]):
            self._answer(403, {"errcode": "M_FORBIDDEN", "error": "HMAC incorrect"})
        elif body["username"] in self.accounts:
            self._answer(400, {"errcode": "M_USER_IN_USE", "error": "Taken"})
        else:
            self.accounts[body["username"]] = (body["password"], body["admin"])
            self._answer(200, {"user_id": f"@{body['username']}:example.org"})

    def _answer(self, status: int, body: dict[str, str]) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the test's output clean."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    AdminRegistration.accounts = {}
    with HTTPServer(("127.0.0.1", 0), AdminRegistration) as listening:
        thread = Thread(target=listening.serve_forever)
        thread.start()
        yield listening
        listening.shutdown()
        thread.join()


@pytest.fixture
def config(tmp_path: Path, server: HTTPServer) -> Path:
    return write_config(
        tmp_path,
        f'[registration]\nshared_secret = "{SECRET}"\n'
        f"[[server.listeners]]\nport = {server.server_port}\n",
    )


def test_init_writes_a_configuration_and_a_private_signing_key(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "server"
    result = run("init", "--server-name", "example.org", "--directory", directory)
    assert result.exit_code == 0, result.output
    document = (directory / "myelin.toml").read_text(encoding="utf-8")
    assert tomllib.loads(document)["server"]["name"] == "example.org"
    key_path = directory / "signing.key"
    assert stat.S_IMODE(key_path.stat().st_mode) == 0o600
    (key,) = read_signing_keys(key_path)
    assert key.key_id == "ed25519:a_1"


def test_what_init_writes_is_right(tmp_path: Path) -> None:
    run("init", "--server-name", "example.org", "--directory", tmp_path)
    result = run("check-config", "--config", tmp_path / "myelin.toml")
    assert result.exit_code == 0
    assert "The configuration is right." in result.output
    assert f"signing key   {tmp_path}/signing.key" in result.output
    assert "registration  closed" in result.output


@pytest.mark.parametrize("name", ["myelin.toml", "signing.key"])
def test_init_overwrites_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")
    result = run("init", "--directory", tmp_path)
    assert result.exit_code == 1
    assert f"{name} exists already" in result.output
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [(name, "precious")]


def test_init_refuses_a_name_that_no_server_can_have(tmp_path: Path) -> None:
    result = run("init", "--server-name", "not a name", "--directory", tmp_path)
    assert result.exit_code == 1
    assert 'server.name = "not a name": must be a host name' in result.output
    assert list(tmp_path.iterdir()) == []


def test_check_config_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    path = write_config(tmp_path, "[media]\nmax_pixel = 5\n")
    result = run("check-config", "--config", path)
    assert result.exit_code == 1
    assert result.output == (
        f"Error: {path}: media.max_pixel = 5: there is no such key; "
        "did you mean media.max_pixels?\n"
    )


def test_check_config_hides_the_password_of_the_database(tmp_path: Path) -> None:
    path = write_config(tmp_path, '[database]\nurl = "postgresql://me:hunter2@db/myelin"\n')
    result = run("check-config", "--config", path)
    assert "postgresql://me:***@db/myelin" in result.output
    assert "hunter2" not in result.output


def test_serve_does_not_start_with_a_wrong_configuration(tmp_path: Path) -> None:
    path = write_config(tmp_path, "[server]\nname = 5\n")
    result = run("serve", "--config", path)
    assert result.exit_code == 1
    assert result.output == f"Error: {path}: server.name = 5: must be a string that is not empty\n"


def test_register_user_creates_an_account_on_the_running_server(config: Path) -> None:
    result = run("register-user", "-c", config, "-u", "alice", "-p", "wonderland", "--admin")
    assert result.output == "Created @alice:example.org.\n"
    assert AdminRegistration.accounts == {"alice": ("wonderland", True)}


def test_register_user_asks_for_what_is_not_given(config: Path) -> None:
    result = run("register-user", "-c", config, typed="bob\nn\nbuilder-1\nbuilder-1\n")
    assert "Created @bob:example.org." in result.output
    assert "builder-1" not in result.output
    assert AdminRegistration.accounts == {"bob": ("builder-1", False)}


def test_register_user_reads_password_and_secret_from_files(
    tmp_path: Path, server: HTTPServer
) -> None:
    config = write_config(tmp_path, "")
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    (tmp_path / "password").write_text("päss wörd\n")
    result = run(
        *("register-user", "-c", config, "-u", "carol"),
        *("--url", f"http://127.0.0.1:{server.server_port}/"),
        *("--shared-secret-file", tmp_path / "secret"),
        *("--password-file", tmp_path / "password"),
    )
    assert result.output == "Created @carol:example.org.\n"
    assert AdminRegistration.accounts == {"carol": ("päss wörd", False)}


def test_register_user_uses_the_secret_that_the_server_made_for_itself(
    tmp_path: Path, server: HTTPServer
) -> None:
    config = write_config(tmp_path, f"[[server.listeners]]\nport = {server.server_port}\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "registration.secret").write_text(f"{SECRET}\n")
    result = run("register-user", "-c", config, "-u", "dave", "-p", "a password")
    assert result.output == "Created @dave:example.org.\n"


def test_register_user_passes_on_what_the_server_says(config: Path) -> None:
    AdminRegistration.accounts["alice"] = ("", False)
    result = run("register-user", "-c", config, "-u", "alice", "-p", "wonderland")
    assert result.exit_code == 1
    assert result.output == "Error: Taken (M_USER_IN_USE)\n"


def test_register_user_says_when_there_is_no_server(tmp_path: Path, config: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), AdminRegistration) as closed:
        url = f"http://127.0.0.1:{closed.server_port}"
    result = run("register-user", "-c", config, "--url", url, "-u", "erin", "-p", "a password")
    assert result.exit_code == 1
    assert "cannot be reached" in result.output


def test_register_user_says_where_it_looked_for_the_secret(tmp_path: Path) -> None:
    result = run("register-user", "-c", write_config(tmp_path, ""), "-u", "a", "-p", "b")
    assert result.exit_code == 1
    assert f"{tmp_path}/data/registration.secret: cannot be read" in result.output
    assert "it is made when the server first starts" in result.output


def test_the_help_names_the_commands() -> None:
    output = run("--help").output
    for command in (
        "init",
        "serve",
        "check-config",
        "register-user",
        "migrate",
        "version",
        "admin",
    ):
        assert f"  {command} " in output
