from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeserver.domain.property_paths import parse_property_path


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("content.body", ("content", "body")),
        (r"content.m\.relates_to", ("content", "m.relates_to")),
        (r"content.m\\foo", ("content", "m\\foo")),
        (r"content.m\\.foo", ("content", "m\\", "foo")),
        (r"content.m\xfoo", ("content", r"m\xfoo")),
        ("content.", ("content", "")),
        ("a..b", ("a", "", "b")),
        ("", ("",)),
        ("trailing\\", ("trailing\\",)),
    ],
)
def test_a_path_names_properties(path: str, names: tuple[str, ...]) -> None:
    assert parse_property_path(path) == names


@given(st.lists(st.text(), min_size=1))
def test_escaped_names_are_read_back(names: list[str]) -> None:
    path = ".".join(name.replace("\\", r"\\").replace(".", r"\.") for name in names)
    assert parse_property_path(path) == tuple(names)
