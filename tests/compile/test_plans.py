"""A plan is the capsule's meaning: the same bytes on every machine, another digest only for another meaning."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from somagent.capsule_compiler.plan import canonical_json, decode_plan, encode_plan, plan_digest
from somagent.governance.canonical import digest_of

RICH = Path(__file__).with_name("rich.capsule.yaml")
TEXT = RICH.read_text(encoding="utf-8")
RULES = b"""\
apiVersion: somagent.io/v1alpha1
kind: Constitution
metadata: { name: rules }
spec:
  version: 1.0.0
  input:
    worst: { type: array, items: { type: string } }
    deep: { type: boolean }
  otherwise: allow
"""
BESIDE = {"rules.yaml": RULES, "scan.sh": b"#!/bin/bash\n"}
Compile = Callable[..., Any]


def digest(compiled: Compile, text: str) -> str:
    compilation = compiled(text, beside=BESIDE)
    assert compilation.diagnostics == ()
    return plan_digest(compilation.plan)


def test_the_plan_of_a_rich_capsule_is_its_golden_json(compiled: Compile, golden: Callable[[Path, str], None]) -> None:
    plan = compiled(TEXT, beside=BESIDE, name=RICH.name).plan
    lines = canonical_json(yaml.safe_load(encode_plan(plan))).decode().replace('"nodes":[', '"nodes":[\n')
    catalogue = plan.catalogue
    text = lines.replace(catalogue, "DIGEST OF THE CATALOGUE").replace('},{"arguments"', '},\n{"arguments"') + "\n"
    golden(RICH.with_name("rich.plan.json"), text.replace(plan.source.digest, "DIGEST OF THE TEXT"))


def test_a_plan_decodes_to_itself_and_encodes_to_the_same_bytes(compiled: Compile) -> None:
    plan = compiled(TEXT, beside=BESIDE).plan
    encoded = encode_plan(plan)
    assert decode_plan(encoded) == plan
    assert encode_plan(decode_plan(encoded)) == encoded
    assert plan_digest(plan).startswith("sha256:")


SCRIPT = """
import random, sys
from pathlib import Path
from somagent.capsule_compiler.catalogue import Catalogue
from somagent.capsule_compiler.compile import compile_capsule
from somagent.capsule_compiler.draft import FileBeside
from somagent.capsule_compiler.language import prepare_language
from somagent.capsule_compiler.plan import digest_of, encode_plan
from somagent.governance.constitution import default_constitution
from somagent.operators.registry import load_operators

capsule, rules, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
operators = list(load_operators(search=[]).catalogue.operators.items())
random.Random(seed).shuffle(operators)
beside = {"rules.yaml": rules.read_bytes(), "scan.sh": b"#!/bin/bash\\n"}
def files(path):
    return [FileBeside(path, beside[path], False)]
done = compile_capsule(capsule.name, capsule.read_bytes(), language=prepare_language(Catalogue(dict(operators))),
                       constitution=default_constitution(), files=files)
found = [(one.name, one.message, one.note, one.help, one.span) for one in done.diagnostics]
print(digest_of(encode_plan(done.plan)) if done.plan else digest_of(repr(found).encode()))
"""


@pytest.mark.parametrize("capsule", [RICH, RICH.with_name("forty_mistakes.capsule.yaml")], ids=["plan", "mistakes"])
def test_plans_and_mistakes_are_the_same_in_every_process(capsule: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_bytes(RULES)
    answers = set()
    for seed in ("0", "1", "42", "4294967295"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        arguments = [sys.executable, "-c", SCRIPT, str(capsule), str(rules), seed]
        answers.add(subprocess.run(arguments, env=environment, check=True, capture_output=True, text=True).stdout)
    assert len(answers) == 1
    assert next(iter(answers)).startswith("sha256:")


def reordered(value: Any, shuffle: random.Random, path: tuple[str, ...] = ()) -> Any:
    """The same document with its keys in another order, but for the steps, whose order means something."""
    if isinstance(value, list):
        return [reordered(one, shuffle, path) for one in value]
    if not isinstance(value, dict):
        return value
    items = [(key, reordered(one, shuffle, (*path, key))) for key, one in value.items()]
    if path not in {("spec", "steps"), ("spec", "finally")}:
        shuffle.shuffle(items)
    return dict(items)


@pytest.mark.parametrize("seed", range(8))
def test_the_order_of_keys_and_the_style_of_the_text_change_no_digest(seed: int, compiled: Compile) -> None:
    document = reordered(yaml.safe_load(TEXT), random.Random(seed))
    styles: list[dict[str, Any]] = [{}, {"default_flow_style": True}, {"width": 20}, {"indent": 8}]
    text = yaml.dump(document, sort_keys=False, allow_unicode=seed > 3, **styles[seed % 4])
    assert digest(compiled, text) == digest(compiled, TEXT)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n"),
        lambda text: "# a comment\n" + text + "# another one\n",
        lambda text: text.replace("maxParallel: 3", "maxParallel: 0x3"),
        lambda text: text.replace("if: inputs.deep\n", "if: >\n        inputs.deep\n"),
        lambda text: text.replace("forEach: ${{ inputs.folders }}", "forEach: |\n        ${{   inputs.folders}}\n"),
        lambda text: text.replace('"${{ folder }}"', "'${{folder}}'"),
        lambda text: text.replace("due: 1d", "due: '1d'"),
        lambda text: text.replace("tokens: 400k", "tokens: 0.4M"),
        lambda text: text.replace("timeout: 1m30s", "timeout: 90s"),
        lambda text: text.replace("cost: 6.00 USD", "cost: 6 USD"),
        lambda text: text.replace("default: 2 }", "default: 2.0 }"),
        lambda text: text + "\n\n",
    ],
)
def test_another_spelling_of_the_same_meaning_has_the_same_digest(
    change: Callable[[str], str], compiled: Compile
) -> None:
    assert change(TEXT) != TEXT
    assert digest(compiled, change(TEXT)) == digest(compiled, TEXT)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("name: rich,", "name: richer,"),
        ("1.2.3", "1.2.4"),
        ("maxItems: 9", "maxItems: 8"),
        ("attempts: 2", "attempts: 3"),
        ("timeout: 1m30s", "timeout: 91s"),
        ("run ${{ run.id }}", "run  ${{ run.id }}"),
        ("run ${{ run.id }}", "run ${{ run.submitter }}"),
        ("if: inputs.deep", "if: '!inputs.deep'"),
        ("size(steps.scan) > 0", "size(steps.scan) > 1"),
        ("needs: [ask]", "needs: [ask, rules]"),
        ("required: [severity]", "required: [severity, line]"),
        ("./tell.sh", "./tell.sh -v"),
        ("maxParallel: 3", "maxParallel: 4"),
        ("folders", "paths"),
    ],
)
def test_another_meaning_has_another_digest(before: str, after: str, compiled: Compile) -> None:
    assert digest(compiled, TEXT.replace(before, after)) != digest(compiled, TEXT)


def test_another_file_beside_or_another_policy_is_another_meaning(compiled: Compile) -> None:
    plain = digest(compiled, TEXT)
    for name, content in {"scan.sh": b"#!/bin/sh\n", "rules.yaml": RULES.replace(b"1.0.0", b"1.0.1")}.items():
        assert plan_digest(compiled(TEXT, beside={**BESIDE, name: content}).plan) != plain


def test_the_source_is_told_but_is_no_part_of_the_digest(compiled: Compile) -> None:
    plan = compiled(TEXT, beside=BESIDE, name="folder/other.capsule.yaml").plan
    assert plan.source.file == "other.capsule.yaml"
    assert plan.source.digest == digest_of(TEXT.encode())
    lines = TEXT.splitlines()
    assert all(lines[line - 1].strip().startswith((f"{step}:", "finally:")) for step, line in plan.source.lines.items())
    assert plan_digest(plan) == digest(compiled, TEXT)


def test_every_default_is_written_out(compiled: Compile) -> None:
    plan = compiled(TEXT, beside=BESIDE).plan
    scan, deeper = plan.node("scan"), plan.node("deeper")
    assert (scan.timeout_ms, scan.retry.attempts, scan.retry.backoff_ms) == (900_000, 2, 10_000)
    assert scan.retry.failures == ["transient", "rate_limit", "timeout"]
    assert (deeper.timeout_ms, deeper.retry.failures) == (90_000, ["transient"])
    assert plan.budget is not None
    assert (plan.budget.tokens, plan.budget.cost_micros, plan.budget.wall_clock_ms) == (400_000, 6_000_000, 7_200_000)
