"""Gates and tokens together, by the command: a gate for a group opens for its members, and for nobody else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import json
from provider import ISSUER, TOKENS, signed
from somagent_shell import Ended, Shell

Trusting = Callable[..., Path]
LEADS = """\
  steps:
    ask: { review: { title: "Go on?", reviewers: { groups: [leads], count: 2, notSubmitter: true } } }
    after: { needs: [ask], script: { run: echo after } }
  outputs: { by: "${{ steps.ask.by }}" }
"""


@pytest.fixture
def act(somagent: Shell, trusting: Trusting) -> Callable[..., Ended]:
    """Gives a command with a token of this person and these groups."""
    trusting(TOKENS)

    def give(*command: str, sub: str, groups: list[str], jti: str = "t-1") -> Ended:
        return somagent(*command, SOMAGENT_TOKEN=signed(sub=sub, groups=groups, jti=jti))

    return give


def test_a_gate_of_a_group_opens_for_its_members_by_token_only(somagent: Shell, act: Callable[..., Ended]) -> None:
    name = somagent.capsule("leads", LEADS)
    nobody = somagent("run", name, "--as", "ana")
    assert (nobody.code, "by your token here, not by `--as`" in nobody.err) == (2, True)
    assert act("run", name, sub="ana", groups=["leads"]).code == 3
    approve = ("approve", "last", "ask", "--no-resume")
    for sub, groups, why in (
        ("ana", ["leads"], "ana started the run, and its submitter may not decide"),
        ("dan", [], "dan is not among the reviewers: members of leads"),
        ("dan", ["leaders"], "dan is not among the reviewers: members of leads"),
    ):
        refused = act(*approve, sub=sub, groups=groups)
        assert (refused.code, why in refused.err) == (2, True), refused.err
    assert "a token of https://login.acme.example is needed" in somagent(*approve).err
    assert "it is signed with a key" not in act(*approve, sub="bo", groups=["leads"], jti="t-bo").err
    assert "Bo has decided on step `ask` already" in act(*approve, sub="Bo", groups=["leads"]).err
    done = act("approve", "last", "ask", "--output", "json", sub="cy", groups=["leads"], jti="t-cy")
    assert (done.code, done.json["outputs"]) == (0, {"by": ["bo", "cy"]})
    assert [(one["by"], one["verified"], one["issuer"]) for one in done.json["decisions"]] == [
        ("bo", True, ISSUER),
        ("cy", True, ISSUER),
    ]
    entries = [json.decode(line) for line in somagent("audit").out.splitlines()]
    decided = [(one["by"], one["groups"], one["issuer"], one["token"]) for one in entries if one["kind"] == "decision"]
    assert decided == [("bo", ["leads"], ISSUER, "t-bo"), ("cy", ["leads"], ISSUER, "t-cy")]
    assert "verified by https://login.acme.example" in (somagent.folder / done.json["report"]).read_text()


def test_a_gate_of_a_group_stays_closed_where_nobody_says_who_is_in_it(somagent: Shell) -> None:
    name = somagent.capsule("leads", LEADS)
    assert somagent("run", name, "--as", "ana").code == 3
    refused = somagent("approve", "last", "ask", "--as", "leads")
    assert (refused.code, "leads is not among the reviewers: members of leads" in refused.err) == (2, True)
    assert "who is in which group is said by .somagent/identity/identity.yaml, which is not there" in refused.err
