"""Checks that the fields of a config hold what their annotations say.

Configs come from JSON and TOML, where 250 is easily "250" or 250.0; an error that names the field
beats one from deep inside a layer. Knows int, float, bool, str, Path, literals, optional values,
tuples and nested dataclasses.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any


def check_fields(config: Any) -> None:
    """Raise ValueError, naming the field, unless every value has its field's type.

    A whole number does for a float. Call it first in `__post_init__`.
    """
    hints = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if not _fits(value, hints[field.name]):
            wanted = str(hints[field.name]).replace("<class '", "").replace("'>", "")
            raise ValueError(f"{field.name} must be {wanted}, not {value!r}")


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, item) for item in arguments)
    if origin is typing.Literal:
        return value in arguments
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return all(_fits(item, arguments[0]) for item in value)
        return len(value) == len(arguments) and all(map(_fits, value, arguments))
    if isinstance(value, bool):
        return hint is bool
    if hint is float:
        return isinstance(value, int | float)
    return isinstance(value, hint)
