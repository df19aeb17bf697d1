"""The capsules that a capsule uses, compiled: each once, never inside itself, and not too deep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from posixpath import dirname, join, normpath

from msgspec import structs
from msgspec.structs import replace

from somagent.capsule_compiler.beside import MAX_INCLUDED_BYTES
from somagent.capsule_compiler.diagnostics.codes import is_error
from somagent.capsule_compiler.draft import Child, Draft, Family, FileBeside, FilesBeside, Place, Within
from somagent.capsule_compiler.packages.opened import OpenPackage
from somagent.capsule_compiler.packages.use import Use
from somagent.capsule_compiler.plan import Plan, plan_digest
from somagent.capsule_compiler.used import Text, at_use, used_texts
from somagent.governance.documents import Diagnostic

MAX_DEPTH = 8
MAX_CAPSULES = 256


def read_capsules(draft: Draft) -> Draft:
    """Compiles the capsules under `uses.capsules`; those without an error are there for the steps."""
    found: list[Diagnostic] = []
    capsules: dict[str, Child] = {}
    for use, text in used_texts(draft, ("capsules",), found):
        if draft.family is None:
            break  # a package is missing, which was said
        child = _compiled(draft, draft.family, use, text, found)
        if child is not None and child.plan is not None:
            capsules[use.alias] = child
    return replace(draft.reporting(found), capsules=capsules)


def sub_plan(child: Child) -> tuple[str, Plan]:
    """The child's plan as it is embedded, and its digest; what it uses itself stands beside it at the root."""
    if child.plan is None:
        raise ValueError(f"{child.place} has no plan")
    plan = structs.replace(child.plan, capsules={})
    return plan_digest(plan), plan


def contents_of(child: Child) -> Mapping[str, bytes]:
    """The contents of all files that the child and the capsules below it take along, by digest."""
    if child.plan is None:
        return {}
    found = {file.digest: child.contents[file.path] for file in child.plan.files}
    for plan in child.plan.capsules.values():
        found |= {file.digest: child.contents[file.digest] for file in plan.files}
    return found


def _compiled(draft: Draft, family: Family, use: Use, text: Text, found: list[Diagnostic]) -> Child | None:
    within = draft.given.within
    chain = within.chain if within is not None else (Place("", draft.file_name),)
    place = _place(chain[-1], use, text)
    span = draft.span(at_use(use))
    if place in chain:
        circle = " -> ".join(f"`{one}`" for one in (*chain[chain.index(place) :], place))
        help_ = "take one of the uses out; work that repeats is a `forEach` or a retry"
        found.append(Diagnostic("capsule-recursion", f"a capsule cannot use itself: {circle}", span, help=help_))
        return None
    child = family.compiled.get(place)
    if child is None and len(chain) < MAX_DEPTH and len(family.compiled) < MAX_CAPSULES:
        child = family.compiled[place] = _compile(draft, family, (*chain, place), use, text)
    if child is None or len(chain) + child.height > MAX_DEPTH:
        message = f"`{use.text}` is one capsule too many: {MAX_CAPSULES} may belong together, {MAX_DEPTH} in a chain"
        found.append(Diagnostic("too-many-capsules", message, span, help="put steps of small capsules into one"))
        return None
    wrong = [one for one in child.diagnostics if is_error(one)]
    if wrong:
        found.append(_wrong(draft, use, child, wrong))
        return None
    return child


def _compile(draft: Draft, family: Family, chain: tuple[Place, ...], use: Use, text: Text) -> Child:
    from somagent.capsule_compiler.compile import draft_capsule, shown  # noqa: PLC0415 - a capsule compiles those it uses

    place, given = chain[-1], draft.given
    package = text.package
    if use.package and package is not None:
        files, name = _files_inside(package, dirname(place.path)), text.name
    else:
        files, name = _files_below(given.files, dirname(use.path)), join(dirname(draft.source.name), use.path)
    inner = replace(given, files=files, within=Within(family, chain, package))
    done = draft_capsule(name, text.content, inner)
    height = 1 + max((child.height for child in done.capsules.values()), default=0)
    return Child(place, done.source, done.plan, shown(done), done.contents, height)


def _place(parent: Place, use: Use, text: Text) -> Place:
    if use.package and text.package is not None:
        return Place(text.package.key, text.path)
    return Place(parent.package, normpath(join(dirname(parent.path), use.path)))


def _files_below(files: FilesBeside, folder: str) -> FilesBeside:
    """The files beside a capsule in a folder below, by their paths from there."""
    if not folder:
        return files

    def read(path: str) -> Sequence[FileBeside]:
        return [one._replace(path=one.path.removeprefix(f"{folder}/")) for one in files(f"{folder}/{path}")]

    return read


def _files_inside(package: OpenPackage, folder: str) -> FilesBeside:
    """The files of a package beside its capsule, by their paths from there."""
    start = f"{folder}/" if folder else ""

    def read(path: str) -> Sequence[FileBeside]:
        at = start + path
        found = [one for name, one in package.files.items() if name == at or name.startswith(f"{at}/")]
        if not found:
            raise FileNotFoundError(2, "no such file or directory in the package", path)
        return [one._replace(path=one.path.removeprefix(start)) for one in found]

    return read


def _wrong(draft: Draft, use: Use, child: Child, wrong: Sequence[Diagnostic]) -> Diagnostic:
    first = wrong[0]
    if first.name in {"capsule-recursion", "capsule-wrong", "too-many-capsules"}:  # which say the place themselves
        return replace(first, span=draft.span(at_use(use)), labels=())
    line, column = child.source.position(first.span.start)
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    message = f"{child.source.name}:{line}:{column}: {first.message}{more}"
    return Diagnostic("capsule-wrong", message, draft.span(at_use(use)), help=first.help)


def check_included(draft: Draft, contents: Mapping[str, bytes]) -> Iterator[Diagnostic]:
    """All files that a run keeps, those of used capsules among them, have a limit together."""
    size = sum(map(len, contents.values()))
    if size > MAX_INCLUDED_BYTES:
        message = f"files of the capsule and of those it uses have {size:,} bytes; the limit is {MAX_INCLUDED_BYTES:,}"
        span = draft.key_span(("spec", "uses", "capsules"))
        yield Diagnostic("include-too-large", message, span, help="let a step fetch large files")
