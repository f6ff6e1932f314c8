"""The configuration written down: the file that `myelin init` makes, and the page in docs/.

Both come from the definition of the configuration, so they name every key there is.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from homeserver.runtime.config.schema import Key, Table, allowed_values, config_tables
from homeserver.runtime.config.secrets import SECRET_KEYS, environment_variable

_WIDTH = 96


def render_template(chosen: Mapping[str, object]) -> str:
    """A commented TOML document with every key.

    ``chosen`` maps dotted keys to the values to set; every other key is commented out and shows
    its default, or nothing after the equals sign when it has none.
    """
    lines = [
        "# Configuration of Myelin, a Matrix homeserver.",
        "# A key that is commented out has the default that it shows. `myelin check-config` says",
        "# whether the file is right.",
    ]
    for table in config_tables():
        lines += ["", *_comment(table.about)]
        lines.append(f"[[{table.name}]]" if table.repeated else f"[{table.name}]")
        for key in table.keys:
            lines += _comment(key.description)
            lines += _assignments(key, chosen)
    return "\n".join(lines) + "\n"


def render_reference() -> str:
    """The configuration's reference, in Markdown."""
    lines = [
        "# Configuration",
        "",
        "*Made from the definition of the configuration by "
        "`python -m homeserver.runtime.config.reference`.*",
        "",
        "One TOML file; `myelin init` writes it with every key and its default as a comment, and",
        "`myelin check-config` checks it. Without `--config`, `myelin.toml` in the working",
        "directory is read if it is there; every key may be left out, and so may the file.",
        "",
        "Secrets may be kept out of the file: `KEY_file` names a file to read the value from, and",
        "an environment variable wins over both.",
        "",
        "| secret | file | environment |",
        "|---|---|---|",
    ]
    lines += [f"| `{key}` | `{key}_file` | `{environment_variable(key)}` |" for key in SECRET_KEYS]
    for table in config_tables():
        lines += ["", *_section(table)]
    return "\n".join(lines) + "\n"


def _section(table: Table) -> Iterator[str]:
    heading = f"[[{table.name}]]" if table.repeated else f"[{table.name}]"
    yield from (f"## `{heading}`", "", table.about, "")
    yield from ("| key | default | allowed | meaning |", "|---|---|---|---|")
    for key in table.keys:
        name = key.name.removeprefix(f"{table.name}.")
        default = "" if key.default is None else f"`{_toml(key.default)}`"
        yield f"| `{name}` | {default} | {allowed_values(key.type)} | {key.description} |"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ")


def _assignments(key: Key, chosen: Mapping[str, object]) -> Iterator[str]:
    name = key.name.rpartition(".")[2]
    if key.name in chosen:
        yield f"{name} = {_toml(chosen[key.name])}"
    elif key.default is None:
        yield f"#{name} ="
    else:
        yield f"#{name} = {_toml(key.default)}"


def _toml(value: Any) -> str:
    """A value as TOML writes it, on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return f"{value:_}" if abs(value) >= 10_000 else str(value)
        case float():
            return repr(value)
        case str() | Path():
            return json.dumps(str(value), ensure_ascii=False)
        case list() | tuple():
            return f"[{', '.join(_toml(item) for item in value)}]"
        case msgspec.Struct():
            return _toml({k: v for k, v in msgspec.structs.asdict(value).items() if v is not None})
        case Mapping():
            pairs = ", ".join(f"{name} = {_toml(item)}" for name, item in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case _:
            raise TypeError(f"TOML has no {type(value).__name__}")


if __name__ == "__main__":
    print(render_reference(), end="")  # noqa: T201
