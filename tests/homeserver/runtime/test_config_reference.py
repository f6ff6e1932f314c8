"""What is written about the configuration names every key and is right."""

from __future__ import annotations

import re
from pathlib import Path

from homeserver.runtime.config import parse_config
from homeserver.runtime.config.reference import render_reference, render_template
from homeserver.runtime.config.schema import config_tables

ROOT = Path(__file__).parents[3]


def keys_of_the_configuration() -> set[str]:
    return {key.name for table in config_tables() for key in table.keys}


def test_the_written_file_is_a_valid_configuration() -> None:
    config = parse_config(render_template({"server.name": "example.org"}), Path("/srv"), {})
    assert config == parse_config('[server]\nname = "example.org"', Path("/srv"), {})


def test_the_defaults_that_the_written_file_shows_are_the_defaults() -> None:
    template = render_template({})
    uncommented = re.sub(r"^#(\w+ = )", r"\1", template, flags=re.MULTILINE)
    assert uncommented != template
    assert parse_config(uncommented, Path("/srv"), {}) == parse_config("", Path("/srv"), {})


def test_the_written_file_names_every_key() -> None:
    table, named = "", set()
    for line in render_template({}).splitlines():
        if heading := re.match(r"\[+([\w.]+)\]+$", line):
            table = heading[1]
        elif assignment := re.match(r"#?(\w+) =", line):
            named.add(f"{table}.{assignment[1]}")
    assert named == keys_of_the_configuration()


def test_the_page_in_docs_is_up_to_date() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8") == render_reference()
