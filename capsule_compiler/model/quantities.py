"""Quantities as people write them: `15m`, `400k`, `6.00 USD`. One parser and one printer each."""

from __future__ import annotations

import re
from typing import NamedTuple

# Digits are bounded so that milliseconds, tokens and millionths stay whole numbers that JSON keeps exactly.
DURATION = r"^([0-9]{1,6}(ms|s|m|h|d)){1,5}$"
COUNT = r"^([0-9]{1,15}|[0-9]{1,12}(\.[0-9]{1,3})?k|[0-9]{1,9}(\.[0-9]{1,6})?M)$"
MONEY = r"^[0-9]{1,9}(\.[0-9]{1,6})? [A-Z]{3}$"

_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_SCALE = {"": 1, "k": 1_000, "M": 1_000_000}


class Money(NamedTuple):
    """An amount in millionths of a currency (ISO 4217 code)."""

    micros: int
    currency: str


def duration_ms(text: str) -> int:
    """Milliseconds of `1h30m`, `15m`, `500ms`."""
    return sum(int(number) * _MS[unit] for number, unit in re.findall(r"([0-9]+)(ms|s|m|h|d)", text))


def show_duration(milliseconds: int) -> str:
    """The shortest exact spelling, such as `1h30m`."""
    parts = []
    for unit, size in _MS.items():
        count, milliseconds = divmod(milliseconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def count(text: str) -> int:
    """The number in `400k`, `1.5M`, `12`."""
    number, scale = (text[:-1], _SCALE[text[-1]]) if text[-1] in _SCALE else (text, 1)
    whole, _, fraction = number.partition(".")
    return int(whole + fraction) * scale // int(10 ** len(fraction))


def show_count(number: int) -> str:
    """The shortest exact spelling, such as `400k`."""
    for suffix, scale in (("M", 1_000_000), ("k", 1_000)):
        if number and number % scale == 0:
            return f"{number // scale}{suffix}"
    return str(number)


def money(text: str) -> Money:
    """The amount in `6.00 USD`."""
    number, currency = text.split(" ")
    whole, _, fraction = number.partition(".")
    return Money(int(whole) * 1_000_000 + int(fraction.ljust(6, "0")), currency)


def show_money(amount: Money) -> str:
    """With two digits after the point, or as many as it needs: `6.00 USD`, `0.0035 USD`."""
    whole, fraction = divmod(amount.micros, 1_000_000)
    digits = f"{fraction:06d}".rstrip("0").ljust(2, "0")
    return f"{whole}.{digits} {amount.currency}"
