"""The file of the signing keys."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from homeserver.domain.signing import SigningKey
from homeserver.runtime.config import ConfigError
from homeserver.runtime.signing_keys import (
    ensure_signing_keys,
    read_signing_keys,
    write_signing_key,
)

# The test key of the specification's appendices.
SEED = "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"
VERIFY_KEY = "XGX0JRS2Af3be3knz2fBiRbApjm2Dh61gXDJA8kcJNI"


def test_a_key_survives_being_written_and_read(tmp_path: Path) -> None:
    key = SigningKey.generate("b_7")
    write_signing_key(tmp_path / "signing.key", key)
    (read,) = read_signing_keys(tmp_path / "signing.key")
    assert (read.key_id, read.seed_base64) == ("ed25519:b_7", key.seed_base64)


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    write_signing_key(tmp_path / "signing.key", SigningKey.generate("a_1"))
    assert stat.S_IMODE((tmp_path / "signing.key").stat().st_mode) == 0o600


def test_the_usual_format_is_read(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    path.write_text(f"# new\ned25519 a_new {SEED}\n\ned25519 a_old {SEED}\n")
    keys = read_signing_keys(path)
    assert [key.key_id for key in keys] == ["ed25519:a_new", "ed25519:a_old"]
    assert keys[0].verify_key_base64 == VERIFY_KEY


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    path.write_text("precious")
    with pytest.raises(FileExistsError):
        write_signing_key(path, SigningKey.generate("a_1"))
    assert [each.read_text() for each in tmp_path.iterdir()] == ["precious"]


def test_a_first_start_makes_a_key_and_later_starts_keep_it(tmp_path: Path) -> None:
    path = tmp_path / "data" / "signing.key"
    (first,) = ensure_signing_keys(path)
    (second,) = ensure_signing_keys(path)
    assert first.seed_base64 == second.seed_base64


@pytest.mark.parametrize(
    "line", ["ed25519 a_1", "curve25519 a_1 " + SEED, "ed25519 a_1 c2hvcnQ", "ed25519 a_1 ÄÖÜ"]
)
def test_a_malformed_line_is_named_but_not_shown(tmp_path: Path, line: str) -> None:
    path = tmp_path / "signing.key"
    path.write_text(f"# a comment\n{line}\n")
    with pytest.raises(ConfigError) as caught:
        read_signing_keys(path)
    assert str(caught.value).startswith(f"{path}: line 2 is not `ed25519 VERSION SEED`")
    assert line not in str(caught.value)


def test_a_file_without_a_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "signing.key").write_text("\n")
    with pytest.raises(ConfigError, match="holds no signing key"):
        read_signing_keys(tmp_path / "signing.key")
