from __future__ import annotations

import pytest

from homeserver.domain.invite_permission import blocks_invites


@pytest.mark.parametrize(
    ("content", "blocks"),
    [
        (b'{"default_action":"block"}', True),
        (b'{"default_action":"block","more":1}', True),
        (b"{}", False),
        (b'{"default_action":"allow"}', False),
        (b'{"default_action":["block"]}', False),
        (b'["block"]', False),
        (b"{", False),
    ],
)
def test_only_one_setting_blocks_invites(content: bytes, blocks: bool) -> None:
    assert blocks_invites(content) is blocks
