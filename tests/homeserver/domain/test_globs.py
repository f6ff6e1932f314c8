from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeserver.domain.globs import (
    Matcher,
    compile_glob,
    compile_wildcard,
    compile_word_glob,
    compile_words,
    is_literal_glob,
)

patterns = st.text("ab.*?-_", max_size=8)
texts = st.text("ab.*?-_\n ", max_size=12)


def as_regex(pattern: str) -> str:
    wildcards = {"*": "(?s:.*)", "?": "(?s:.)"}
    return "".join(wildcards.get(character) or re.escape(character) for character in pattern)


@given(patterns, texts)
def test_a_glob_matches_like_its_regular_expression(pattern: str, text: str) -> None:
    expected = re.fullmatch(as_regex(pattern), text) is not None
    assert compile_glob(pattern)(text) is expected


@given(patterns, texts)
def test_a_wildcard_matches_like_a_glob_whose_question_marks_are_letters(
    pattern: str, text: str
) -> None:
    regex = as_regex(pattern).replace("(?s:.)", re.escape("?"))
    assert compile_wildcard(pattern)(text) is (re.fullmatch(regex, text) is not None)


@given(patterns, texts)
def test_a_word_glob_matches_some_part_between_word_boundaries(pattern: str, text: str) -> None:
    def is_word(place: int) -> bool:
        return 0 <= place < len(text) and re.match("[A-Za-z0-9_]", text[place]) is not None

    expected = any(
        not is_word(start - 1)
        and not is_word(end)
        and re.fullmatch(as_regex(pattern), text[start:end])
        for start in range(len(text) + 1)
        for end in range(start, len(text) + 1)
    )
    assert compile_word_glob(pattern)(text) is expected


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("ex*ple", "An example event.", True),
        ("ex*ple", "exple", True),
        ("ex*ple", "An exciting triple-whammy", True),
        ("ex*ple", "hexample", False),
        ("ex*ple", "examples", False),
        ("cake", "pancake", False),
        ("cake", "cake_", False),
        ("cake", "(cake)", True),
        ("cake", "käsecakeä", False),
        ("cake", "ßcakeß", True),
        ("c?ke", "coke", True),
        ("*", "", True),
        ("猫", "猫 好き", True),
    ],
)
def test_words_are_found_between_boundaries(pattern: str, text: str, matches: bool) -> None:
    assert compile_word_glob(pattern)(text) is matches


@pytest.mark.parametrize("compile_pattern", [compile_glob, compile_word_glob, compile_wildcard])
def test_many_stars_do_not_take_forever(compile_pattern: Callable[[str], Matcher]) -> None:
    matches = compile_pattern("*a" * 50 + "*b*c")
    assert not matches("a" * 60_000)


def test_what_is_special_elsewhere_is_literal_among_words() -> None:
    matches = compile_words("A.J. (*)")
    assert matches("hello A.J. (*)!")
    assert not matches("hello AxJx (*)!")


@pytest.mark.parametrize(("pattern", "literal"), [("a.b", True), ("a*", False), ("a?", False)])
def test_a_literal_glob_has_neither_star_nor_question_mark(pattern: str, literal: bool) -> None:
    assert is_literal_glob(pattern) is literal
