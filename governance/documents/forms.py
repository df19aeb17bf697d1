"""Ways to write a text that has not the form of its field: what people write, and how the field wants it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_UNITS = {"second": "s", "sec": "s", "minute": "m", "min": "m", "hour": "h", "hr": "h", "day": "d"}
_LENGTH = re.compile(r"([0-9]+)\s*([a-z]+?)s?")
_MONEY = re.compile(r"([$€£])\s*([0-9.]+)|([0-9.]+)\s*([$€£]|dollars?|euros?|[a-z]{3})", re.IGNORECASE)
_CURRENCIES = {"$": "USD", "dollar": "USD", "dollars": "USD", "€": "EUR", "euro": "EUR", "euros": "EUR", "£": "GBP"}
_PACKAGE = re.compile(r"([a-z0-9-]+/[a-z0-9-]+)@(.*)")
_VERSION = re.compile(r"[vV=]*([0-9]+(?:\.[0-9]+)*)(\.[xX*])*")
_LONGEST = 200


def in_form(text: str, fits: Callable[[str], object]) -> str | None:
    """How the text is probably meant, in a form that fits; None when nothing near does."""
    if len(text) > _LONGEST:
        return None
    capitals = bool(fits("A"))
    return next(
        (
            one
            for one in _forms(text.strip())
            if one != text and fits(one) and not (capitals and one.lower() == text.lower())
        ),
        None,
    )


def completed(number: str, fits: Callable[[str], object]) -> str | None:
    """A number with what its field wants behind it: a unit, a currency, the last part of a version."""
    return next((one for one in (f"{number}m", f"{number} USD", f"{number}.0") if fits(one)), None)


def _forms(text: str) -> Iterator[str]:
    yield text
    length = _LENGTH.fullmatch(text.lower())
    if length is not None and length[2] in _UNITS:
        yield length[1] + _UNITS[length[2]]
    money = _MONEY.fullmatch(text)
    if money is not None:
        amount, unit = money[2] or money[3], (money[1] or money[4]).lower()
        yield f"{amount} {_CURRENCIES.get(unit, unit.upper())}"
    if text[:1] in {"v", "V"}:
        yield text[1:]
    yield f"#/types/{text}"
    package = _PACKAGE.fullmatch(text)
    if package is not None:
        yield _with_range(package[1], package[2])
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", text)
    for separator in ("-", "_"):
        yield re.sub(r"[\s_.-]+", separator, words).lower().strip(separator)
        yield re.sub(r"[\s_.-]+", separator, text).lower().strip(separator)
    if ".." not in text.split("/"):
        yield f"./{text}"


def _with_range(package: str, written: str) -> str:
    """A package with the versions that are meant: a whole version stands for itself, a part of one for what fits it."""
    version = _VERSION.fullmatch(written)
    if version is None:
        return package
    whole = version[1].count(".") == 2 and version[2] is None
    return f"{package}@{'=' if whole else '^'}{version[1]}"
