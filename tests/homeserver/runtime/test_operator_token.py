"""The token of whoever runs the server."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from homeserver.runtime.config import ConfigError, parse_config
from homeserver.runtime.operator_token import (
    ensure_operator_token,
    is_operator_token,
    read_operator_token,
)


def test_the_server_makes_a_private_token_and_keeps_it(tmp_path: Path) -> None:
    config = parse_config("", tmp_path, {})
    token = ensure_operator_token(config)
    assert len(token) >= 32
    assert ensure_operator_token(config) == read_operator_token(config) == token
    assert stat.S_IMODE(config.operator_token_path.stat().st_mode) == 0o600


def test_an_empty_token_is_refused(tmp_path: Path) -> None:
    config = parse_config("", tmp_path, {})
    config.operator_token_path.parent.mkdir()
    config.operator_token_path.write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        ensure_operator_token(config)


def test_nothing_but_the_token_is_the_token() -> None:
    is_it = is_operator_token("s3cret")
    assert is_it("s3cret")
    for other in ("", "s3cre", "s3crets", "S3CRET", "s\u00e9cret", "\udcff"):
        assert not is_it(other)
