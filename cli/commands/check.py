"""`somagent check`: every mistake in capsules and constitutions, at once."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from somagent.capsule_compiler.compile import Compilation, compile_capsule
from somagent.capsule_compiler.diagnostics import is_error, render_all
from somagent.capsule_compiler.draft import FileBeside
from somagent.cli.compiling import checked, governing, installed
from somagent.cli.exits import Exit
from somagent.cli.printing import colored, print_json, visible
from somagent.governance.constitution import Constitution, load_constitution
from somagent.governance.documents import Diagnostic, MappingNode, Source, decode_source, read_yaml
from somagent.workflows import capsules


def run(arguments: Namespace) -> int:
    """Exit 0 when no file has an error."""
    installation = installed()
    constitution = governing(arguments)
    records = []
    failed = False
    for name in arguments.files:
        source, diagnostics, good = _check(name, installation, constitution)
        wrong = any(is_error(one) for one in diagnostics)
        failed = failed or wrong
        if arguments.output == "json":
            records.append(checked(name, source, diagnostics))
            continue
        sys.stdout.write(render_all(source, diagnostics, color=colored(sys.stdout)))
        if not wrong:
            print(visible(f"ok: {source.name} ({good})"))
    if arguments.output == "json":
        print_json(records)
    return Exit.FAILED if failed else Exit.OK


def _check(
    name: str, installation: capsules.Installation, constitution: Constitution
) -> tuple[Source, tuple[Diagnostic, ...], str]:
    """The source, its diagnostics, and a few words on what it is."""
    if name == "-":
        content, path = sys.stdin.buffer.read(), Path("-")
        compilation = compile_capsule(
            "-", content, language=installation.language, constitution=constitution, files=_nothing_beside
        )
        return _of_capsule(compilation)
    path = Path(name)
    content = capsules.read_bytes(path)
    source, found = decode_source(name, content)
    if not found and _is_constitution(source):
        loaded, mistakes = load_constitution(source)
        count = len(loaded.step_rules) + len(loaded.input_rules) if loaded else 0
        return source, tuple(mistakes), f"constitution, {_many(count, 'rule')}"
    return _of_capsule(capsules.compile_file(path, installation, constitution))


def _of_capsule(compilation: Compilation) -> tuple[Source, tuple[Diagnostic, ...], str]:
    plan = compilation.plan
    count = len(plan.nodes) + len(plan.finals) if plan else 0
    return compilation.source, compilation.diagnostics, f"capsule, {_many(count, 'step')}"


def _is_constitution(source: Source) -> bool:
    if "Constitution" not in source.text:
        return False
    root, _ = read_yaml(source)
    kind = root.entries.get("kind") if isinstance(root, MappingNode) else None
    return kind is not None and kind.value.plain() == "Constitution"


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def _nothing_beside(path: str) -> list[FileBeside]:
    raise FileNotFoundError(2, "a capsule from standard input has no files beside it", path)
