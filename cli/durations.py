"""Durations on the command line: written as in capsules."""

from __future__ import annotations

import re

from somagent.capsule_compiler.model.quantities import DURATION, duration_ms
from somagent.cli.exits import UserError


def seconds(text: str, option: str) -> float:
    """How many seconds an option asks for; raises `UserError`."""
    if not re.search(DURATION, text):
        raise UserError(f"`{option} {text}` is no duration; write one like `30d` or `12h`")
    return duration_ms(text) / 1000
