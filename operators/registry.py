"""The operators of this installation: ours, and those that other packages bring through an entry point.

A plug-in that cannot be used is left out and said in one line; it must not stop the capsules that do not need it.
Reading the catalogue is part of checking a capsule, so it costs milliseconds: entry points are read from the
installed packages' own files instead of through `importlib.metadata`, whose import alone takes 25 ms.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from somagent.capsule_compiler.catalogue import Catalogue
from somagent.operators.operator import Operator

GROUP = "somagent.operators"
_METADATA = (".dist-info", ".egg-info")
BUILT_IN: dict[str, str] = {
    name: f"somagent.operators.{name}:OPERATOR"
    for name in ("bundle", "capsule", "policy", "review", "script", "slm", "tool")
}


class Registry(Struct, frozen=True):
    """The operators by name, and one line for each plug-in that had to be left out."""

    operators: Mapping[str, Operator]
    faults: Sequence[str]

    @property
    def catalogue(self) -> Catalogue:
        """What the compiler is given."""
        return Catalogue({name: operator.entry for name, operator in self.operators.items()})


class EntryPoint(NamedTuple):
    """A line of a package's `entry_points.txt`."""

    package: str  # name and version, as the package calls itself
    name: str
    value: str  # module:attribute


def load_operators(search: Sequence[str] | None = None, *, only: Set[str] | None = None) -> Registry:
    """Loads all operators, or `only` those of them; plug-ins are looked for in the folders `search` (`sys.path`)."""
    operators = {name: _load(target) for name, target in BUILT_IN.items() if only is None or name in only}
    if only is not None and only <= BUILT_IN.keys():
        return Registry(operators, [])
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(sys.path if search is None else search):
        if BUILT_IN.get(point.name) != point.value and (only is None or point.name in only):
            found.setdefault(point.name, []).append(point)
    faults = []
    for name, points in sorted(found.items()):
        try:
            operators[name] = _load_plug_in(name, points)
        except _LeftOut as fault:
            faults.append(str(fault))
    return Registry(dict(sorted(operators.items())), faults)


def entry_points(search: Sequence[str]) -> Iterator[EntryPoint]:
    """The group's entry points of all packages installed in these folders; of one installed twice, the first."""
    seen = set()
    for folder in search:
        try:
            names = sorted(name for name in os.listdir(folder or ".") if name.endswith(_METADATA))  # noqa: PTH208 - faster
        except OSError:
            continue  # a zip file or a folder that is not there
        for name in names:
            package = name.rpartition(".")[0]
            distribution = package.partition("-")[0].lower().replace("-", "_").replace(".", "_")
            if distribution not in seen:
                seen.add(distribution)
                yield from _entry_points_of(package.replace("-", " ", 1), Path(folder, name, "entry_points.txt"))


def _entry_points_of(package: str, path: Path) -> Iterator[EntryPoint]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return
    if GROUP not in text:
        return
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]").strip()
        elif section == GROUP and "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            yield EntryPoint(package, name.strip(), value.partition("[")[0].strip())


class _LeftOut(Exception):
    """Why a plug-in cannot be used."""


def _load_plug_in(name: str, points: Sequence[EntryPoint]) -> Operator:
    packages = " and ".join(f"`{point.package}`" for point in points)
    if name in BUILT_IN:
        raise _LeftOut(f"operator `{name}` of {packages} is left out: the name belongs to a built-in operator")
    if len(points) > 1:
        raise _LeftOut(f"operator `{name}` is left out: {packages} both bring one; remove one of the packages")
    try:
        operator = _load(points[0].value)
    except KeyboardInterrupt:
        raise  # most likely a real Ctrl-C; if not, the command has stopped all the same, and said so
    except BaseException as fault:  # whatever a foreign package raises when it is imported, `SystemExit` too
        from somagent.operators.runner.operating import described  # noqa: PLC0415 - brings asyncio along

        reason = described(fault).splitlines()[0]
        raise _LeftOut(
            f"operator `{name}` of {packages} is left out: `{points[0].value}` fails with {reason}"
        ) from None
    if not isinstance(operator, Operator):
        raise _LeftOut(
            f"operator `{name}` of {packages} is left out: `{points[0].value}` is of type"
            f" `{type(operator).__name__}`, not `somagent.operators.operator.Operator`"
        )
    if operator.entry.core:
        raise _LeftOut(f"operator `{name}` of {packages} is left out: only SomaGent's own operators can be `core`")
    if operator.entry.name != name:
        raise _LeftOut(
            f"operator `{name}` of {packages} is left out: it calls itself `{operator.entry.name}`; entry point and"
            " catalogue entry must have one name"
        )
    return operator


def _load(target: str) -> Operator:
    module, _, attribute = target.partition(":")
    loaded = import_module(module)
    for part in attribute.split("."):
        loaded = getattr(loaded, part)
    return loaded  # type: ignore[return-value]
