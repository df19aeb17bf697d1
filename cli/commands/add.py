"""`somagent add`: uses a package in a capsule."""

from __future__ import annotations

import re
import sys
from argparse import Namespace
from pathlib import Path

from somagent.capsule_compiler.diagnostics import is_error, render_all
from somagent.capsule_compiler.packages.adding import NewUse, NotEditable, with_use
from somagent.capsule_compiler.packages.manifest import Manifest, PackageWrong, read_manifest
from somagent.capsule_compiler.packages.solve import WHERE, no_version
from somagent.capsule_compiler.packages.source import PackageSource
from somagent.capsule_compiler.packages.use import SECTIONS
from somagent.capsule_compiler.packages.versions import Range, parse_range, parse_version
from somagent.cli import fixing
from somagent.cli.checking import Found
from somagent.cli.commands.lock import capsules_here, told
from somagent.cli.compiling import installed
from somagent.cli.exits import Exit, UserError
from somagent.cli.printing import colored, visible
from somagent.governance.constitution import default_constitution
from somagent.governance.documents import Node, Source, decode_source, nearest, node_at, read_yaml
from somagent.workflows import capsules
from somagent.workflows.locking import update_lock

_PACKAGE = re.compile(r"([a-z0-9-]+/[a-z0-9-]+)(?:@(.+))?")
_ALIAS = re.compile(r"[a-z][A-Za-z0-9_]{0,62}")


def run(arguments: Namespace) -> int:
    """Exit 1 when the capsules of the folder cannot be locked with it; nothing is written then."""
    match = _PACKAGE.fullmatch(arguments.package)
    range_ = parse_range(match.group(2) or "") if match is not None else None
    if match is None or range_ is None:
        raise UserError(f"`{arguments.package}` is not a package like `acme/release` or `acme/release@^1.2` (^ ~ = >=)")
    installation, path = installed(), _capsule(arguments.capsule)
    content = capsules.read_bytes(path)
    source, root = _read(path, content)
    manifest = _newest(installation.packages, match.group(1), range_)
    section = next(section for section, kind in SECTIONS.items() if kind == manifest.provides)
    alias = _alias(arguments.alias, manifest.package, section, root)
    value = manifest.package + "@" + (range_.text or f"^{manifest.version}")
    try:
        text = with_use(source, root, NewUse(section, alias, value))
    except NotEditable as reason:
        raise UserError(f"`{path}` was not changed: {reason}") from None
    changed = content[: len(content) - len(source.text.encode())] + text.encode()  # a byte order mark stays
    _check(path, changed, (section, alias), installation)
    update = update_lock(path.parent, [(path, changed)], installation)
    if update.mistakes:
        for at, diagnostics in update.mistakes:
            sys.stderr.write(render_all(at, diagnostics, color=colored(sys.stderr)))
        raise UserError(f"`{path}` was not changed", Exit.FAILED)
    fixing.write(Found(str(path), content, source, (), ""), Found(str(path), changed, source, (), ""))
    print(visible(f"{path}: {manifest.provides} `{alias}` is {value}"))
    sys.stdout.write("".join(visible(line) + "\n" for line in told(path.parent, update)))
    return Exit.OK


def _check(path: Path, changed: bytes, use: tuple[str, str], installation: capsules.Installation) -> None:
    """Refuses a package that cannot be used; other mistakes of the capsule keep nobody from adding one."""
    compilation = capsules.compile_content(path, changed, installation, default_constitution())
    root, _ = read_yaml(compilation.source)
    node = node_at(root, ("spec", "uses", *use)) if root is not None else None
    wrong = [one for one in compilation.diagnostics if node is not None and one.span == node.span and is_error(one)]
    if wrong:
        sys.stderr.write(render_all(compilation.source, wrong, color=colored(sys.stderr)))
        raise UserError(f"`{path}` was not changed", Exit.FAILED)


def _capsule(name: str | None) -> Path:
    if name is not None:
        return Path(name)
    found = capsules_here()
    if len(found) > 1:
        raise UserError("there are several capsules in this folder; name one: " + ", ".join(map(str, found)))
    return found[0]


def _read(path: Path, content: bytes) -> tuple[Source, Node]:
    source, found = decode_source(str(path), content)
    root, mistakes = (None, found) if found else read_yaml(source)
    if root is None or mistakes:
        sys.stderr.write(render_all(source, mistakes, color=colored(sys.stderr)))
        raise UserError(f"`{path}` was not changed: it cannot be read", Exit.FAILED)
    return source, root


def _newest(source: PackageSource, package: str, range_: Range) -> Manifest:
    """The manifest of the newest version that fits."""
    try:
        known = sorted(version for version in map(parse_version, source.versions(package)) if version is not None)
        fitting = [version for version in known if version in range_]
        if not known:
            others = source.versions(package)
            if others:
                raise UserError("; ".join(no_version(package, others)))
            near = nearest(package, list(source.names()))
            raise UserError(f"there is no package `{package}`; " + (f"did you mean `{near}`?" if near else WHERE))
        if not fitting:
            there = ", ".join(map(str, reversed(known)))
            raise UserError(f"no version of `{package}` fits `{range_}`; there are {there}")
        version = str(fitting[-1])
        return read_manifest(package, version, source.manifest(package, version))
    except PackageWrong as wrong:
        raise UserError(f"`{package}` cannot be used: {wrong}", Exit.FAILED) from None
    except OSError as error:
        raise UserError(f"cannot look for package `{package}`: {(error.strerror or str(error)).lower()}") from None


def _alias(given: str | None, package: str, section: str, root: Node) -> str:
    alias = given or package.partition("/")[2].replace("-", "_")
    if not _ALIAS.fullmatch(alias):
        raise UserError(f"`{alias}` is not a name that steps can use, such as `release`; choose one with `--as`")
    there = node_at(root, ("spec", "uses", section, alias))
    if there is not None and str(there.plain()).partition("@")[0] != package:
        raise UserError(f"`{alias}` is there already under `uses.{section}`; choose another name with `--as`")
    return alias
