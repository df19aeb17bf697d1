"""What `docs/constitution.md` shows is what runs: each block is a file beside it, and does what the text says."""

import re
from pathlib import Path

import pytest

from somagent.capsule_compiler.compile import compile_capsule
from somagent.capsule_compiler.draft import FileBeside
from somagent.capsule_compiler.language import prepare_language
from somagent.capsule_compiler.plan import Plan
from somagent.governance.constitution import Circumstances, default_constitution, judge_input, load_constitution
from somagent.governance.documents import Source
from somagent.operators.registry import load_operators

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = DOCS / "examples" / "constitution"
GATE = Circumstances(step="gate", operator="policy", gate=True, capsule="release", run="r1", submitter="ana")


def test_each_block_is_a_file_and_each_file_is_shown() -> None:
    shown = re.findall(r"^```\w*\n(.*?)^```$", (DOCS / "constitution.md").read_text(), re.DOTALL | re.MULTILINE)
    assert sorted(shown) == sorted(path.read_text() for path in EXAMPLES.iterdir())


@pytest.mark.parametrize(
    ("leaked", "coverage", "labels", "effect", "rules"),
    [
        (0, 0.9, [], "allow", ["well-tested"]),
        (0, 0.9, ["urgent"], "audit", ["urgent-is-noted"]),
        (0, 0.64, ["urgent"], "require_review", ["thin-tests-need-a-person"]),
        (1, 0.9, [], "deny", ["no-leaked-secrets"]),
    ],
)
def test_the_constitution_shown_judges_as_its_rules_say(
    leaked: int, coverage: float, labels: list[str], effect: str, rules: list[str]
) -> None:
    text = (EXAMPLES / "release.constitution.yaml").read_text()
    constitution, diagnostics = load_constitution(Source("release.constitution.yaml", text))
    assert diagnostics == []
    assert constitution is not None
    verdict = judge_input(constitution, {"leaked_secrets": leaked, "coverage": coverage, "labels": labels}, GATE)
    assert (verdict.effect, verdict.rules) == (effect, rules)


def compile_shown() -> Plan:
    def beside(path: str) -> list[FileBeside]:
        return [FileBeside(path, (EXAMPLES / path).read_bytes(), executable=False)]

    name = "release.capsule.yaml"
    compiled = compile_capsule(
        name,
        (EXAMPLES / name).read_bytes(),
        language=prepare_language(load_operators().catalogue),
        constitution=default_constitution(),
        files=beside,
    )
    assert compiled.diagnostics == ()
    assert compiled.plan is not None
    return compiled.plan


def test_the_capsule_shown_is_checked_and_its_scripts_are_noted() -> None:
    plan = compile_shown()
    assert {node.id: node.verdict for node in plan.nodes} == {
        "test": "audit",
        "gate": "allow",
        "release_review": "allow",
        "publish": "audit",
    }
    assert [node.id for node in plan.nodes if node.gate] == ["gate", "release_review"]
    assert plan.constitution.digest == default_constitution().digest
