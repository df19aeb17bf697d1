"""YAML for people and other programs to read, from plain values; what the house writes itself for good is JSON."""

from __future__ import annotations

from typing import Any

import yaml


def write_yaml(value: Any) -> str:
    """Block style, keys in their order, text unfolded; the same bytes for the same value."""
    return str(yaml.dump(value, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120))


class _Plain(yaml.CSafeDumper):
    """Our own reader refuses aliases, so none are written."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # PyYAML asks for each value
        return True
