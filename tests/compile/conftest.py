"""Capsules are compiled with the real operators; files beside them come from a mapping or from an example's folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from somagent.capsule_compiler.compile import Compilation, compile_capsule
from somagent.capsule_compiler.diagnostics import Code, render_all
from somagent.capsule_compiler.diagnostics.examples import example_of
from somagent.capsule_compiler.draft import FileBeside
from somagent.capsule_compiler.language import Language, prepare_language
from somagent.capsule_compiler.plan import Plan
from somagent.governance.constitution import Constitution, default_constitution, load_constitution
from somagent.governance.documents import Diagnostic, Source, decode_source
from somagent.operators.registry import load_operators
from somagent.workflows.capsules import this_installation
from somagent.workflows.packages import PackageFolder
from somagent.workflows.testing.reading import read_test

Compile = Callable[..., Compilation]
CheckExample = Callable[[Code, str], tuple[Source, Sequence[Diagnostic]]]


@pytest.fixture(scope="session")
def language() -> Language:
    """The language of the operators that come with SomaGent."""
    return prepare_language(load_operators(search=[]).catalogue)


@pytest.fixture(scope="session")
def compiled(language: Language) -> Compile:
    """Compiles a text or bytes; `beside` are files by path."""

    def compile_text(
        text: str | bytes,
        *,
        beside: Mapping[str, bytes] | None = None,
        constitution: Constitution | None = None,
        name: str = "a.capsule.yaml",
        packages: Path | None = None,
        locked: bool = False,
    ) -> Compilation:
        def files(path: str) -> Sequence[FileBeside]:
            known = beside or {}
            found = [one for one in known if one == path or one.startswith(path + "/")]
            if not found:
                raise FileNotFoundError(2, "No such file or directory", path)
            return [FileBeside(one, known[one], executable=False) for one in found]

        content = text if isinstance(text, bytes) else text.encode()
        governing = constitution or default_constitution()
        source = PackageFolder(packages) if packages is not None else None
        return compile_capsule(
            name,
            content,
            language=language,
            constitution=governing,
            files=files,
            packages=source,
            locked=locked,
        )

    return compile_text


@pytest.fixture
def check_example(language: Language) -> CheckExample:
    """The diagnostics of an example's document `fails` or `fixed`, read as a user's file is."""

    def check(code: Code, which: str) -> tuple[Source, Sequence[Diagnostic]]:
        example = example_of(code)
        name, content = example.name(which), example.document(which)
        if example.kind == "constitution":
            source, found = decode_source(name, content)
            return source, found or load_constitution(source)[1]
        if example.kind == "test":
            read = read_test(example.folder / name, content, this_installation(), default_constitution())
            return Source(name, read.source.text), read.diagnostics
        governing = default_constitution()
        path = example.folder / "governing.constitution.yaml"
        if path.exists():
            loaded, mistakes = load_constitution(decode_source(path.name, path.read_bytes())[0])
            assert loaded is not None, mistakes
            governing = loaded
        compilation = compile_capsule(
            name,
            content,
            language=language,
            constitution=governing,
            files=lambda beside: example.files(which, beside),
            packages=PackageFolder(example.packages),
            locked=example.locked,
        )
        return compilation.source, compilation.diagnostics

    return check


@pytest.fixture
def shown(compiled: Compile) -> Callable[[str], str]:
    """How the mistakes of a text are shown."""

    def show(text: str) -> str:
        compilation = compiled(text)
        return render_all(compilation.source, compilation.diagnostics)

    return show


HEAD = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: a }\nspec:\n"
Mistakes = Callable[..., list[tuple[str, str]]]


@pytest.fixture
def mistakes(compiled: Compile) -> Mistakes:
    """Of a specification: each mistake's name and the text that it points to."""

    def find(spec: str, **given: object) -> list[tuple[str, str]]:
        compilation = compiled(HEAD + spec, **given)
        text = compilation.source.text
        return [(one.name, text[one.span.start : one.span.end]) for one in compilation.diagnostics]

    return find


@pytest.fixture
def planned(compiled: Compile) -> Callable[..., Plan]:
    """The plan of a specification without mistakes."""

    def plan(spec: str, **given: object) -> Plan:
        compilation = compiled(HEAD + spec, **given)
        assert compilation.plan is not None, render_all(compilation.source, compilation.diagnostics)
        return compilation.plan

    return plan
