"""Tables of plain values into dataclasses; what is unknown or of another type is an error."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from napari_ds2net.errors import SettingsError


def require(condition: bool, message: str) -> None:
    """Raise SettingsError with `message` unless `condition` holds."""
    if not condition:
        raise SettingsError(message)


def build(kind: Any, values: Any, where: str) -> Any:
    """Build a dataclass from a table.

    Parameters
    ----------
    kind
        The dataclass; its fields may be dataclasses, tuples, mappings, enumerations and literals.
    values
        A table, as TOML or JSON gives it.
    where
        Name of the table for messages; empty for the outermost.

    Raises
    ------
    SettingsError
        An entry is unknown, missing, or of another type.
    """
    if not isinstance(values, Mapping):
        raise SettingsError(f"{where or 'The recipe'} is {values!r}; expected a table.")
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise SettingsError(
            f"Unknown entry {where}{'.' if where else ''}{unknown[0]}; expected one of "
            f"{', '.join(hints)}."
        )
    prefix = f"{where}." if where else ""
    try:
        return kind(**{k: _convert(hints[k], v, f"{prefix}{k}") for k, v in values.items()})
    except TypeError as error:
        raise SettingsError(f"{where or 'The recipe'} is not complete: {error}.") from error


def _convert(kind: Any, value: Any, where: str) -> Any:
    """Return `value` as `kind`, or raise SettingsError naming the entry."""
    origin = get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return build(kind, value, where)
    if origin is Literal:
        choices = get_args(kind)
        require(value in choices, f"{where} is {value!r}; expected one of {choices}.")
        return value
    if origin is tuple:
        return _convert_tuple(get_args(kind), value, where)
    if origin is not None and issubclass(origin, Mapping):
        require(isinstance(value, Mapping), f"{where} is {value!r}; expected a table.")
        return {k: _convert(get_args(kind)[1], v, f"{where}.{k}") for k, v in value.items()}
    return _convert_plain(kind, value, where)


def _convert_tuple(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    """Return a TOML array as a tuple of the right length and types."""
    require(isinstance(value, (list, tuple)), f"{where} is {value!r}; expected a list.")
    repeated = len(kinds) == 2 and kinds[1] is Ellipsis
    wanted = kinds[:1] * len(value) if repeated else kinds
    require(len(wanted) == len(value), f"{where} is {value!r}; expected {len(wanted)} values.")
    return tuple(_convert(k, v, where) for k, v in zip(wanted, value, strict=True))


def _convert_plain(kind: Any, value: Any, where: str) -> Any:
    """Return a number, text, flag or enumeration member."""
    if isinstance(kind, type) and not isinstance(kind, types.GenericAlias):
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if issubclass(kind, str) and kind is not str:
            try:
                return kind(value)
            except ValueError as error:
                raise SettingsError(f"{where} is {value!r}: {error}.") from error
        right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        require(right, f"{where} is {value!r}; expected a value of type {kind.__name__}.")
    return value
