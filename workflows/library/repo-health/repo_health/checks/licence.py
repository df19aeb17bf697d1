"""Whether others may use the code, and whether the repository says the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .. import manifests
from ..context import Context
from ..findings import Finding
from ..text import show
from .form import Check, Outcome

FILES = re.compile(r"^(?:licen[cs]e|copying|unlicense|mit-license|apache-license)(?:[.-][\w.-]+)?$", re.IGNORECASE)
REUSE = re.compile(r"^LICENSES/[^/]+\.(?:txt|md)$")
# Phrases that stand in one licence text only, in the order in which they are tried.
TEXTS: tuple[tuple[str, str], ...] = (
    ("AGPL-3.0", "gnu affero general public license version 3"),
    ("LGPL-3.0", "gnu lesser general public license version 3"),
    ("LGPL-2.1", "gnu lesser general public license version 2.1"),
    ("LGPL-2.0", "gnu library general public license"),
    ("GPL-3.0", "gnu general public license version 3"),
    ("GPL-2.0", "gnu general public license version 2"),
    ("Apache-2.0", "apache license version 2.0"),
    ("MPL-2.0", "mozilla public license version 2.0"),
    ("EPL-2.0", "eclipse public license - v 2.0"),
    ("EUPL-1.2", "european union public licence v. 1.2"),
    ("BSL-1.0", "boost software license - version 1.0"),
    ("BUSL-1.1", "business source license 1.1"),
    ("CC0-1.0", "cc0 1.0 universal"),
    ("CC-BY-SA-4.0", "attribution-sharealike 4.0 international"),
    ("CC-BY-4.0", "attribution 4.0 international"),
    ("Unlicense", "this is free and unencumbered software released into the public domain"),
    ("WTFPL", "do what the fuck you want to public license"),
    ("Zlib", "this software is provided 'as-is', without any express or implied warranty"),
    ("Artistic-2.0", "the artistic license 2.0"),
    ("PostgreSQL", "postgresql license"),
    ("PSF-2.0", "python software foundation license version 2"),
    ("MIT-0", "mit no attribution"),
    ("ISC", "permission to use, copy, modify, and/or distribute this software for any purpose with or without fee"),
    ("ISC", "permission to use, copy, modify, and distribute this software for any purpose with or without fee"),
    ("MIT", "permission is hereby granted, free of charge, to any person obtaining a copy"),
    ("BSD-4-Clause", "all advertising materials mentioning features or use of this software"),
    ("BSD-3-Clause", "may be used to endorse or promote products derived from"),
    ("BSD-2-Clause", "redistribution and use in source and binary forms, with or without modification"),
)  # fmt: skip
PLACEHOLDER = re.compile(
    r"\[(?:year|yyyy|fullname|name of copyright owner|copyright holders?)\]|<(?:year|owner|copyright holders?"
    r"|name of author)>",
    re.IGNORECASE,
)
CLOSED = re.compile(r"all rights reserved|proprietary|confidential", re.IGNORECASE)
MANIFESTS: dict[str, tuple[str, ...]] = {  # at the root, and in which table they name a licence
    "pyproject.toml": ("project",),
    "Cargo.toml": ("package",),
    "package.json": (),
    "composer.json": (),
}
SHORTEST = 20  # characters of a text that could be a licence


def run(context: Context) -> Outcome:
    """Finds the licence file, names it, and compares it with what manifests claim."""
    roots = sorted(path for path in context.by_path if ("/" not in path and FILES.match(path)) or REUSE.match(path))
    if not roots:
        return Outcome(
            [missing(context)], ["looked for LICENSE, LICENCE, COPYING, UNLICENSE and LICENSES/ at the root"]
        )
    findings: list[Finding] = []
    names: set[str] = set()
    for path in roots:
        text = linked_text(context, path)
        name = identify(text)
        names |= {name} if name else set()
        findings.extend(judge(path, text, name, alone=len(roots) == 1))
    if names:
        findings.extend(claims(context, names))
    return Outcome(findings, [f"{', '.join(roots[:4])}: {' and '.join(sorted(names)) or 'not recognised'}"])


def missing(context: Context) -> Finding:
    """No licence text; a name in a manifest is better than nothing."""
    named = next((f"{path} says {claim}" for path, claim, _ in manifest_claims(context)), "")
    return Finding(
        "licence",
        "no-licence",
        "medium" if named else "high",
        "No licence file at the root" + (f", though {named}" if named else ": nobody outside may use this code"),
        "Add LICENSE with the text of the licence you choose (choosealicense.com); for internal code, say so in it.",
        key="all",
    )


def linked_text(context: Context, path: str) -> str:
    """The licence's text, also when the file is a link to it."""
    file = context.by_path[path]
    if file.kind == "symlink":
        target = next((blob.decode("utf-8", "replace") for _, blob in context.git.blobs([file.oid])), "")
        return context.text(target.removeprefix("./")) or ""
    return context.text(path) or ""


def identify(text: str) -> str:
    """The SPDX id that the text names or has the words of, or ""."""
    if named := re.search(r"SPDX-License-Identifier:\s*([\w.+-]+)", text):
        return re.sub(r"-(?:only|or-later)$|\+$", "", named[1])
    words = re.sub(r"[\s,]+", " ", text.lower().replace("“", "'").replace("”", "'").replace('"', "'"))
    return next((name for name, phrase in TEXTS if phrase.replace(",", "") in words), "")


def judge(path: str, text: str, name: str, *, alone: bool) -> Iterator[Finding]:
    """What one licence file lacks."""
    if len(text.strip()) < SHORTEST:
        yield Finding(
            "licence",
            "empty-licence",
            "high",
            "The licence file is empty",
            "Put the licence's whole text into it.",
            path,
        )
    elif not name and not CLOSED.search(text) and alone:
        yield Finding(
            "licence",
            "unknown-licence",
            "low",
            "The text is none of the 27 licences known here, so tools will call it unknown",
            "Use a licence's unchanged text, or name it with an `SPDX-License-Identifier:` line.",
            path,
        )
    elif name in ("MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause") and (match := PLACEHOLDER.search(text)):
        yield Finding(
            "licence",
            "licence-placeholder",
            "low",
            f"The template's {match[0]} was never filled in, so it names no owner",
            "Write the year and the owner's name.",
            path,
            text.count("\n", 0, match.start()) + 1,
        )


def claims(context: Context, names: set[str]) -> Iterator[Finding]:
    """Manifests at the root that claim another licence than the file is."""
    for path, claim, line in manifest_claims(context):
        mentioned = {part.strip("()") for part in re.split(r"\s+(?:OR|AND|WITH|or|and)\s+|/", claim)}
        plain = {re.sub(r"-(?:only|or-later)$|\+$", "", part) for part in mentioned}
        known = {name for name, _ in TEXTS}
        if plain & known and not plain & names:
            yield Finding(
                "licence",
                "licence-mismatch",
                "medium",
                f"The manifest claims {show(claim, 60)}, the licence file is {' and '.join(sorted(names))}",
                "Make both say the same; users and scanners read one or the other.",
                path,
                line,
            )


def manifest_claims(context: Context) -> Iterator[tuple[str, str, int | None]]:
    """(manifest, licence as written, line) for the manifests at the root."""
    for path, names in MANIFESTS.items():
        if (text := context.text(path)) is None:
            continue
        try:
            claim = manifests.table(manifests.parse(path, text), *names).get("license")
        except manifests.Unreadable:
            continue  # the dependency check reports it
        claim = claim.get("text") if isinstance(claim, dict) else claim
        if isinstance(claim, str) and claim.strip():
            line = next((n for n, line in enumerate(text.split("\n"), 1) if "license" in line and claim in line), None)
            yield path, claim.strip(), line


CHECK = Check(
    id="licence",
    title="Licence",
    weight=6,
    why="Without a licence nobody may use, change or share the code, whatever its owner meant.",
    run=run,
)
