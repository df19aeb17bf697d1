"""`somagent new`: a capsule that works and its tests, to change into your own."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from somagent.cli.arguments import TEMPLATES
from somagent.cli.compiling import installed
from somagent.cli.editor_schema import write_schemas
from somagent.cli.exits import UserError
from somagent.cli.files import TESTS
from somagent.cli.way_on import program
from somagent.governance.documents import Source, node_at, read_yaml
from somagent.workflows import capsules

_FOLDER = Path(__file__).parent.parent / "templates"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_AFTERWARDS: Mapping[str, str] = {"review-flow": "approve last agree --as NAME"}


def run(arguments: Namespace) -> int:
    """Writes NAME.capsule.yaml and tests/NAME.yaml, and the schemas that editors complete and check them with."""
    if arguments.list:
        for template in TEMPLATES:
            print(f"{template:<16} {_description(template)}")
        return 0
    name: str = arguments.name.removesuffix(capsules.SUFFIX)
    if not _NAME.fullmatch(name):
        raise UserError(f"`{name}` is not a DNS name like `repo-health`: small letters, digits and hyphens")
    capsule, test = Path(name + capsules.SUFFIX), Path(TESTS) / f"{name}.yaml"
    for path in (capsule, test):
        if path.exists() and not arguments.force:
            raise UserError(f"`{path}` is there already; `--force` overwrites it")
    try:
        test.parent.mkdir(exist_ok=True)
        capsule.write_text(_named(_text(arguments.template), name), encoding="utf-8")
        test.write_text(_named(_test(arguments.template), name), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write `{error.filename}`: {(error.strerror or str(error)).lower()}") from None
    write_schemas(installed().language)
    print(f"wrote {capsule} and {test}")
    tries = [f"{word} {capsule}" for word in ("check", "test", "run")]
    tries += [_AFTERWARDS[arguments.template]] if arguments.template in _AFTERWARDS else []
    print("  try: " + "\n       ".join(f"{program()} {words}" for words in tries))
    return 0


def _named(text: str, name: str) -> str:
    return text.replace("name: hello ", f"name: {name} ", 1)


def _test(template: str) -> str:
    return (_FOLDER / TESTS / f"{template}.yaml").read_text(encoding="utf-8")


def _text(template: str) -> str:
    return (_FOLDER / f"{template}{capsules.SUFFIX}").read_text(encoding="utf-8")


def _description(template: str) -> str:
    root, _ = read_yaml(Source(template, _text(template)))
    node = node_at(root, ("spec", "description")) if root is not None else None
    return str(node.plain()) if node is not None else ""
