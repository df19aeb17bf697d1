"""Texts with a form of their own that fields of several models have; apart from those models, which take 6 ms."""

from __future__ import annotations

from typing import Annotated

from somagent.capsule_compiler.model.about import form
from somagent.capsule_compiler.model.quantities import COUNT, DURATION, MONEY

_DURATION = "a duration like `15m` or `1h30m` (units d, h, m, s, ms)"
Duration = Annotated[str, form(DURATION, _DURATION, "Length of time", "15m", "1h30m")]
TokenCount = Annotated[str, form(COUNT, "a number of tokens like `400k`", "Number of tokens", "400k")]
Cost = Annotated[str, form(MONEY, "an amount of money like `6.00 USD`", "Amount of money", "6.00 USD")]
