"""Mappings that people write, as YAML or JSON, into typed dataclasses."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import yaml

T = TypeVar("T")


class ConfigError(ValueError):
    """A key that hilander does not know, or a value of another kind than it expects."""


def read_yaml(path: Path) -> Any:
    """Read a YAML file in which no key stands twice; an empty one is an empty mapping.

    Raises
    ------
    ConfigError
        It is no YAML in UTF-8, or a key comes twice in one block.
    """
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # a safe one
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    return {} if raw is None else raw


class _Loader(yaml.SafeLoader):
    """Of a key that comes twice, others take the last, and what the first block said is lost without a word."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.composer.ComposerError(
                        None, None, f"the key {key.value!r} comes twice in one block; join the two", key.start_mark
                    )
                seen.add((key.tag, key.value))
        return node


def from_mapping(block: type[T], raw: object, where: str) -> T:
    """Build the dataclass `block` from a mapping, checking keys and types on the way down.

    Raises
    ------
    ConfigError
        Not a mapping, a key that `block` lacks or one that it needs and did not get, or a value of another type.
    """
    if not isinstance(raw, dict):
        raise ConfigError(f"{where}: expected a block of keys, got {type(raw).__name__} {raw!r}")
    hints = typing.get_type_hints(block)
    values = {}
    for key, value in raw.items():
        if key not in hints:
            close = difflib.get_close_matches(str(key), hints, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known keys: {', '.join(hints)}"
            raise ConfigError(f"{where}: unknown key '{key}'; {hint}")
        values[key] = _checked(hints[key], value, f"{where}: {key}")
    if missing := [name for name in _needed(block) if name not in values]:
        raise ConfigError(f"{where}: missing key {', '.join(map(repr, missing))}")
    return block(**values)


def _needed(block: Any) -> list[str]:
    """Names of the fields that have no default."""
    absent = dataclasses.MISSING
    return [field.name for field in dataclasses.fields(block) if field.default is field.default_factory is absent]


def _checked(expected: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(expected):
        return from_mapping(typing.cast(type, expected), {} if value is None else value, where)
    if typing.get_origin(expected) is tuple:
        if value is None:  # a list whose last line was taken out, as a block whose keys all were
            return ()
        if not isinstance(value, list):
            raise ConfigError(f"{where}: expected a list, got {value!r}")
        inner = typing.get_args(expected)[0]
        return tuple(_checked(inner, item, f"{where}[{i}]") for i, item in enumerate(value))
    if typing.get_origin(expected) in (typing.Union, types.UnionType):  # `float | None`: null leaves the choice to us
        if value is None:
            return None
        expected = next(option for option in typing.get_args(expected) if option is not type(None))
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, expected) or (expected is not bool and isinstance(value, bool)):
        raise ConfigError(f"{where}: expected {expected.__name__}, got {type(value).__name__} {value!r}")
    return value
