"""Reading the configuration's own definition: its keys, their defaults and what they allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import attrs
from msgspec import NODEFAULT, inspect

from homeserver.runtime.config.config import Config

Step = str | int
"""A step on the way to a value: the name of a key, or an index into a list."""


@attrs.frozen
class Key:
    """A key of the configuration; ``name`` is dotted, e.g. ``limits.rates.login``."""

    name: str
    type: inspect.Type
    default: Any
    description: str


@attrs.frozen
class Table:
    """A table of the TOML file: its dotted name, what it is about, and its keys in order.

    ``repeated`` marks an array of tables.
    """

    name: str
    about: str
    keys: tuple[Key, ...]
    repeated: bool = False


def config_tables() -> Iterator[Table]:
    """Every table of the configuration, in the order of the file."""
    for section in _struct(Config).fields:
        yield from _tables(section.encode_name, _struct_of(section.type))


def type_at(path: Sequence[Step]) -> inspect.Type | None:
    """The type of the value that ``path`` leads to, or None when no key is there."""
    here: inspect.Type = _struct(Config)
    for step in path:
        here = _plain(here)
        if isinstance(here, inspect.StructType):
            found = next((f.type for f in here.fields if f.encode_name == step), None)
            if found is None:
                return None
            here = found
        elif isinstance(here, inspect.VarTupleType):
            here = here.item_type
        else:
            return None
    return here


def key_names(path: Sequence[Step]) -> list[str]:
    """The keys that the table at ``path`` may have."""
    table = type_at(path)
    if table is None:
        return []
    table = _plain(table)
    return [f.encode_name for f in table.fields] if isinstance(table, inspect.StructType) else []


def allowed_values(kind: inspect.Type) -> str:
    """What a value of this type may be, in words."""
    match _plain(kind):
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType() as number:
            return f"a whole number{_range(number)}"
        case inspect.FloatType() as number:
            return f"a number{_range(number)}"
        case inspect.LiteralType(values=values):
            return "one of " + ", ".join(f'"{value}"' for value in values)
        case inspect.StrType(min_length=length):
            return "a string that is not empty" if length else "a string"
        case inspect.CustomType():
            return "a path"
        case inspect.VarTupleType(item_type=item, min_length=length):
            noun = "list of one or more values" if length else "list of values"
            return f"a {noun}, each {allowed_values(item)}"
        case inspect.StructType() as table:
            return f"a table with the keys {', '.join(f.encode_name for f in table.fields)}"
        case _:
            return "a table"


def _tables(name: str, struct: inspect.StructType) -> Iterator[Table]:
    nested = [f for f in struct.fields if isinstance(f.type, inspect.StructType)]
    repeated = [f for f in struct.fields if _is_array_of_tables(f)]
    own = [f for f in struct.fields if f not in nested and f not in repeated]
    yield Table(name, _about(struct), tuple(_key(name, f) for f in own))
    for inner in nested:
        yield from _tables(f"{name}.{inner.encode_name}", _struct_of(inner.type))
    for inner in repeated:
        item = _struct_of(inner.type)
        path = f"{name}.{inner.encode_name}"
        keys = tuple(_key(path, f) for f in item.fields)
        yield Table(path, _about(item), keys, repeated=True)


def _is_array_of_tables(field: inspect.Field) -> bool:
    """Lists of things that can be left to their defaults; other lists fit on a line."""
    kind = _plain(field.type)
    if not isinstance(kind, inspect.VarTupleType):
        return False
    item = _plain(kind.item_type)
    return isinstance(item, inspect.StructType) and not any(f.required for f in item.fields)


def _key(table: str, field: inspect.Field) -> Key:
    default = field.default
    if field.default_factory is not NODEFAULT:
        default = field.default_factory()
    return Key(f"{table}.{field.encode_name}", field.type, default, _description(field.type))


def _description(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.Metadata):
        text = (kind.extra_json_schema or {}).get("description", "")
        return str(text)
    return ""


def _about(struct: inspect.StructType) -> str:
    return " ".join((struct.cls.__doc__ or "").split())


def _plain(kind: inspect.Type) -> inspect.Type:
    """Without descriptions, and without the None of a key that may be left out."""
    if isinstance(kind, inspect.Metadata):
        return _plain(kind.type)
    if isinstance(kind, inspect.UnionType):
        return _plain(next(t for t in kind.types if not isinstance(t, inspect.NoneType)))
    return kind


def _struct_of(kind: inspect.Type) -> inspect.StructType:
    plain = _plain(kind)
    if isinstance(plain, inspect.VarTupleType):
        plain = _plain(plain.item_type)
    if not isinstance(plain, inspect.StructType):
        raise TypeError(f"{plain} is not a table")
    return plain


@cache
def _struct(cls: type[Config]) -> inspect.StructType:
    return _struct_of(inspect.type_info(cls))


def _range(number: inspect.IntType | inspect.FloatType) -> str:
    least = f"from {number.ge:,}" if number.ge is not None else ""
    if number.gt is not None:
        least = f"above {number.gt:,}"
    most = f"to {number.le:,}" if number.le is not None else ""
    words = " ".join(word for word in (least, most) if word)
    return f" {words}" if words else ""
