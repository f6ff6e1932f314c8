"""The secret for creating accounts."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from homeserver.runtime.config import ConfigError, parse_config
from homeserver.runtime.registration_secret import (
    ensure_registration_secret,
    read_registration_secret,
)


def test_a_configured_secret_is_used_as_it_is(tmp_path: Path) -> None:
    config = parse_config('[registration]\nshared_secret = "s3cret"', tmp_path, {})
    assert ensure_registration_secret(config) == "s3cret"
    assert list(tmp_path.iterdir()) == []


def test_without_one_the_server_makes_a_private_secret_and_keeps_it(tmp_path: Path) -> None:
    config = parse_config("", tmp_path, {})
    secret = ensure_registration_secret(config)
    assert len(secret) >= 32
    assert ensure_registration_secret(config) == secret
    assert read_registration_secret(config) == secret
    assert stat.S_IMODE(config.registration_secret_path.stat().st_mode) == 0o600


def test_an_empty_secret_is_refused(tmp_path: Path) -> None:
    config = parse_config("", tmp_path, {})
    config.registration_secret_path.parent.mkdir()
    config.registration_secret_path.write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        ensure_registration_secret(config)
