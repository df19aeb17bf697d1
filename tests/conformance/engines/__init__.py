"""The engines that the suite is run on, by the name of their column. An engine joins with one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..adapter import Provider
from .local import LocalProvider

ENGINES: Mapping[str, Callable[[], Provider]] = {"local": LocalProvider}
