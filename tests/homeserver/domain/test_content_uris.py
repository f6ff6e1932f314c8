"""mxc:// URIs."""

from __future__ import annotations

import pytest

from homeserver.domain.content_uris import make_content_uri
from homeserver.domain.errors import InvalidParam


@pytest.mark.parametrize("server_name", ["example.org", "[::1]:8448", "10.0.0.1:80"])
def test_a_uri_is_made_of_a_server_name_and_a_media_id(server_name: str) -> None:
    assert str(make_content_uri(server_name, "AQw_a-9")) == f"mxc://{server_name}/AQw_a-9"


@pytest.mark.parametrize(
    ("server_name", "media_id"),
    [
        ("example.org", ""),
        ("example.org", ".."),
        ("example.org", "../../etc/passwd"),
        ("example.org", "a.b"),
        ("example.org", "a/b"),
        ("example.org", "a%2Fb"),
        ("example.org", "a\0b"),
        ("example.org", "é"),
        ("example.org", "abc\n"),
        ("example.org", "a" * 256),
        ("..", "../abc"),
        ("", "abc"),
        ("example.org/", "abc"),
        ("exa mple", "abc"),
    ],
)
def test_nothing_else_passes(server_name: str, media_id: str) -> None:
    with pytest.raises(InvalidParam):
        make_content_uri(server_name, media_id)
