"""JSON in, JSON out, and values inside text. JSON has one kind of number, CEL has two: the declared type decides."""

from __future__ import annotations

import math
from collections.abc import Callable

from msgspec import Struct, to_builtins

from somagent.governance.cel.conversions import double_text, json_text
from somagent.governance.cel.literals import INT_MAX, INT_MIN
from somagent.governance.cel.types import (
    BOOL,
    DOUBLE,
    DYN,
    INT,
    NULL,
    STRING,
    ListType,
    MapType,
    ObjectType,
    OpaqueType,
    Type,
    show,
)
from somagent.governance.cel.values import Key, Value, quoted, type_name


class BorderError(ValueError):
    """A value does not fit the type it should have; the message begins with the path inside the value."""


def from_json(value: object, type_: Type) -> Value:
    """A parsed JSON value as a value of `type_`: 3 becomes 3.0 where a double is wanted, 3.0 becomes 3 for an int.

    Members of objects that the type does not know are kept as they are. Where `dyn` is wanted, numbers keep the kind
    they have; an int beyond 64 bits becomes a double. Raises `BorderError`.
    """
    return _read(value, type_, "value")


def _read(value: object, type_: Type, path: str) -> Value:
    match type_:
        case ListType(item):
            if isinstance(value, list):
                return [_read(part, item, f"{path}[{i}]") for i, part in enumerate(value)]
        case MapType(_, item):
            if isinstance(value, dict):
                return {_key(key, path): _read(part, item, f"{path}.{key}") for key, part in value.items()}
        case ObjectType(fields):
            if isinstance(value, dict):
                types = {name: field.type for name, field in fields.items()}
                return {_key(k, path): _read(part, types.get(k, DYN), f"{path}.{k}") for k, part in value.items()}
        case OpaqueType():
            return _dynamic(value, path)
        case _ if type_ == DYN:
            return _dynamic(value, path)
        case _:
            return _simple(value, type_, path)
    raise _unfit(value, type_, path)


def _simple(value: object, type_: Type, path: str) -> Value:
    if type_ == DOUBLE and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise _unfit(value, type_, path) from None
    if type_ == INT and isinstance(value, int | float) and not isinstance(value, bool):
        if math.isfinite(value) and value == int(value) and INT_MIN <= int(value) <= INT_MAX:
            return int(value)
    elif (type_ == BOOL and isinstance(value, bool)) or (type_ == STRING and isinstance(value, str)):
        return value
    elif type_ == NULL and value is None:
        return None
    raise _unfit(value, type_, path)


def _dynamic(value: object, path: str) -> Value:
    match value:
        case None | bool() | str() | float():
            return value
        case int():
            if INT_MIN <= value <= INT_MAX:
                return value
            return _simple(value, DOUBLE, path)
        case list():
            return [_dynamic(part, f"{path}[{i}]") for i, part in enumerate(value)]
        case dict():
            return {_key(key, path): _dynamic(part, f"{path}.{key}") for key, part in value.items()}
    raise BorderError(f"{path}: {type(value).__name__} is not a JSON value")


def _key(key: object, path: str) -> str:
    if isinstance(key, str):
        return key
    raise BorderError(f"{path}: a key of a JSON object is a string, not {type(key).__name__}")


def _unfit(value: object, type_: Type, path: str) -> BorderError:
    found = f"{value!r:.40}" if isinstance(value, bool | int | float | str | None) else type(value).__name__
    return BorderError(f"{path}: {show(type_)} is wanted, not {found}")


def to_json(value: Value) -> Value:
    """The value as JSON can hold it: int and bool keys become their text. Raises `BorderError` for inf and nan."""
    return _write(value, "value")


def _write(value: Value, path: str) -> Value:
    if isinstance(value, list):
        return [_write(part, f"{path}[{i}]") for i, part in enumerate(value)]
    if isinstance(value, dict):
        result: dict[Key, Value] = {}
        for key, part in value.items():
            name = key_text(key)
            if name in result:
                raise BorderError(f"{path}: two keys of the map are {quoted(name)} in JSON")
            result[name] = _write(part, f"{path}.{name}")
        return result
    if isinstance(value, float) and not math.isfinite(value):
        raise BorderError(f"{path}: JSON has no {double_text(value)}")
    return value


def key_text(key: Key) -> str:
    """A map's key as the name of a JSON member."""
    return key if isinstance(key, str) else str(key).lower()


def render_text(value: Value) -> str:
    """How a value appears inside text: strings as they are, everything else as canonical JSON (RFC 8785).

    Ints keep all their digits; inf and nan, which JSON has not, appear as `string(...)` writes them.
    """
    if isinstance(value, str):
        return value
    from json.encoder import encode_basestring  # noqa: PLC0415 - 6 ms, and seldom needed

    return _canonical(value, encode_basestring)


def _canonical(value: Value, quote: Callable[[str], str]) -> str:
    """`quote` escapes what RFC 8785 escapes: quotes, backslashes and control characters, nothing else."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return json_text(value) if math.isfinite(value) else double_text(value)
        case str():
            return quote(value)
        case list():
            return f"[{','.join(_canonical(part, quote) for part in value)}]"
        case dict():
            members = sorted(
                ((key_text(key), part) for key, part in value.items()), key=lambda member: _order(member[0])
            )
            return "{" + ",".join(f"{quote(name)}:{_canonical(part, quote)}" for name, part in members) + "}"
        case Struct():
            return _canonical(to_builtins(value), quote)
    raise TypeError(f"{type_name(value)} is not a value")


def _order(name: str) -> bytes:
    """RFC 8785, section 3.2.3: members are ordered by UTF-16 code units."""
    return name.encode("utf-16-be", "surrogatepass")
