"""Quantities as people write them: `15m`, `400k`, `6.00 USD`, `512Mi`. One parser and one printer each.

What a parser takes, its pattern describes, and what a printer writes, the parser reads back exactly. A quantity has one
meaning at a glance: in a duration the units go from large to small, each once, and only the first number may be more
than its next larger unit has (`90m`, `1h30m`, never `1h90m`).
"""

from __future__ import annotations

import re
from typing import NamedTuple

# Digits are bounded so that milliseconds, tokens and millionths stay whole numbers that JSON keeps exactly, and so that
# the longest duration, 274 years from now, is still in the calendar.
_H, _M, _S, _MS = "(([01]?[0-9]|2[0-3])h)?", "([0-5]?[0-9]m)?", "([0-5]?[0-9]s)?", "([0-9]{1,3}ms)?"
_LEADING = (f"[0-9]{{1,5}}d{_H}{_M}{_S}{_MS}", *(f"[0-9]{{1,6}}{rest}" for rest in (f"h{_M}{_S}{_MS}", f"m{_S}{_MS}")))
DURATION = f"^({'|'.join(_LEADING)}|[0-9]{{1,6}}s{_MS}|[0-9]{{1,6}}ms)$"
COUNT = r"^([0-9]{1,15}|[0-9]{1,12}(\.[0-9]{1,3})?k|[0-9]{1,9}(\.[0-9]{1,6})?M)$"
MONEY = r"^[0-9]{1,9}(\.[0-9]{1,6})? [A-Z]{3}$"
# As Kubernetes reads them, less what it reads and nobody means: `512m` of memory is half a byte there.
SIZE = r"^[1-9][0-9]{0,5}(\.[0-9]{1,3})?(Ki|Mi|Gi|Ti)$"
CORES = r"^([1-9][0-9]{0,6}m|[1-9][0-9]{0,3}(\.[0-9]{1,3})?|0\.([1-9][0-9]{0,2}|0[1-9][0-9]?|00[1-9]))$"

_SIZES = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_BINARY = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}
_SCALE = {"": 1, "k": 1_000, "M": 1_000_000}


class Money(NamedTuple):
    """An amount in millionths of a currency (ISO 4217 code)."""

    micros: int
    currency: str


def duration_ms(text: str) -> int:
    """Milliseconds of `1h30m`, `15m`, `500ms`; raises `ValueError` for what is no duration."""
    _check(DURATION, text, "a duration")
    return sum(int(number) * _SIZES[unit] for number, unit in re.findall(r"([0-9]+)(ms|s|m|h|d)", text))


def _check(pattern: str, text: str, what: str) -> None:
    if re.fullmatch(pattern.removesuffix("$"), text) is None:
        raise ValueError(f"`{text}` is not {what}")


def show_duration(milliseconds: int) -> str:
    """The exact spelling with the largest units, such as `1h30m`."""
    parts = []
    for unit, size in _SIZES.items():
        count, milliseconds = divmod(milliseconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def count(text: str) -> int:
    """The number in `400k`, `1.5M`, `12`; raises `ValueError` for what is none."""
    _check(COUNT, text, "a number like `400k`")
    number, scale = (text[:-1], _SCALE[text[-1]]) if text[-1] in _SCALE else (text, 1)
    whole, _, fraction = number.partition(".")
    return int(whole + fraction) * scale // int(10 ** len(fraction))


def show_count(number: int) -> str:
    """The shortest exact spelling, such as `400k`, `1.5M`, `1234`."""
    spellings = [str(number)]
    for suffix, digits in (("k", 3), ("M", 6)):
        whole, fraction = divmod(number, 10**digits)
        if number >= 10**digits:
            spellings.append(f"{whole}.{fraction:0{digits}d}".rstrip("0").rstrip(".") + suffix)
    return min(spellings, key=len)


def money(text: str) -> Money:
    """The amount in `6.00 USD`; raises `ValueError` for what is none."""
    _check(MONEY, text, "an amount like `6.00 USD`")
    number, currency = text.split(" ")
    whole, _, fraction = number.partition(".")
    return Money(int(whole) * 1_000_000 + int(fraction.ljust(6, "0")), currency)


def show_money(amount: Money) -> str:
    """With two digits after the point, or as many as it needs: `6.00 USD`, `0.0035 USD`."""
    whole, fraction = divmod(amount.micros, 1_000_000)
    digits = f"{fraction:06d}".rstrip("0").ljust(2, "0")
    return f"{whole}.{digits} {amount.currency}"


def size_bytes(text: str) -> int:
    """Bytes of `512Mi`, `1.5Gi`; raises `ValueError` for what is no size."""
    _check(SIZE, text, "a size like `512Mi`")
    whole, _, fraction = text[:-2].partition(".")
    return int(whole + fraction) * _BINARY[text[-2:]] // int(10 ** len(fraction))


def millicores(text: str) -> int:
    """Thousandths of a core in `500m`, `2`, `0.5`; raises `ValueError` for what is none."""
    _check(CORES, text, "a number of cores like `500m`")
    if text.endswith("m"):
        return int(text[:-1])
    whole, _, fraction = text.partition(".")
    return int(whole) * 1_000 + int(fraction.ljust(3, "0"))
