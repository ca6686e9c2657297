"""Frozen dataclasses from plain JSON values, which somebody may have edited."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_SHOWN = 60


def build(kind: type[T], values: object, name: str) -> T:
    """Return a dataclass of plain values whose types are looked at.

    Parameters
    ----------
    kind
        A dataclass of texts, numbers, tuples of them, mappings of texts, and such dataclasses; each
        may be None where its type says so.
    values
        What should be an object with its fields.
    name
        What the values are called in messages.

    Raises
    ------
    ValueError
        They are something else; the message says what and where.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{name} is {_shown(values)}, expected an object")
    hints = get_type_hints(kind)
    unknown = [str(key) for key in values if key not in hints]
    if unknown:
        raise ValueError(f"{name} has {_shown(unknown[0])}, which is not known")
    fields = {key: _value(hints[key], value, f"{name}.{key}") for key, value in values.items()}
    try:
        return kind(**fields)
    except TypeError as error:
        raise ValueError(f"{name} lacks a value: {error}") from error


def _value(hint: Any, value: object, name: str) -> object:
    """Return a value as the type wants it."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        (hint,) = (each for each in inner if each is not type(None))
        return _value(hint, value, name)
    if origin is tuple and isinstance(value, list):
        kinds = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        if len(kinds) == len(value):
            return tuple(_value(each, v, name) for each, v in zip(kinds, value, strict=True))
    elif origin is not None and issubclass(origin, Mapping) and isinstance(value, dict):
        return {str(key): _value(inner[1], v, name) for key, v in value.items()}
    elif hasattr(hint, "__dataclass_fields__"):
        return build(hint, value, name)
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) < 2**1000 and math.isfinite(value):
            return float(value)
    elif origin is None and isinstance(value, hint) and isinstance(value, bool) == (hint is bool):
        return value
    raise ValueError(f"{name} is {_shown(value)}, which cannot be")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
