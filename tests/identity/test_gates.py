"""A gate for a group opens for its members by token; who they were, and on whose word, is kept. More is in the docs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import json
from provider import ISSUER, TOKENS, signed
from somagent_shell import Shell

from somagent.workflows.engines.local import audit

LEADS = """\
  steps:
    ask: { review: { title: "Go on?", reviewers: { groups: [leads], notSubmitter: true } } }
  outputs: { by: "${{ steps.ask.by }}" }
"""


def test_a_gate_of_a_group_opens_for_its_members_by_token_only(somagent: Shell, trusting: Callable[..., Path]) -> None:
    directory = trusting(TOKENS)
    name = somagent.capsule("leads", LEADS)
    assert somagent("run", name, SOMAGENT_TOKEN=signed(sub="ana", groups=["leads"])).code == 3
    token = signed(sub="cy", groups=["leads"], jti="t-cy")
    done = somagent("approve", "last", "ask", "--output", "json", SOMAGENT_TOKEN=token)
    assert (done.code, done.json["outputs"]) == (0, {"by": ["cy"]})
    (decision,) = done.json["decisions"]
    assert (decision["by"], decision["verified"], decision["issuer"]) == ("cy", True, ISSUER)
    submitted, decided = (json.decode(line) for line in audit.lines(directory))
    assert submitted["submitter"] == "ana"
    assert [decided[name] for name in ("by", "groups", "issuer", "token")] == ["cy", ["leads"], ISSUER, "t-cy"]
    report = (somagent.folder / done.json["report"]).read_text()
    assert f"verified by {ISSUER}" in report
    assert token not in report
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert [path for path in files if token.encode() in path.read_bytes()] == []
