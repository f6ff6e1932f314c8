"""Whom a user ignores: the account data m.ignored_user_list."""

from __future__ import annotations

import msgspec

from homeserver.domain.identifiers import UserId


def ignored_users(content: bytes) -> frozenset[UserId]:
    """The users that an m.ignored_user_list names; empty when it is malformed."""
    try:
        value = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return frozenset()
    users = value.get("ignored_users") if isinstance(value, dict) else None
    return frozenset(map(UserId, users)) if isinstance(users, dict) else frozenset()
