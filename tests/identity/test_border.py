"""The engine itself finds out who acts: what a program says of a person gives it no name and no group."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from in_process import plan_of, reviewing
from provider import ISSUER, TOKENS, signed

from somagent.operators.runner.records import Decision
from somagent.workflows.accounts import account
from somagent.workflows.engines.protocol import DecisionRefused
from somagent.workflows.identity import IdentityRefused

Trusting = Callable[..., Path]
ANA = {"submitter": "ana", "own": signed()}
LEADS = '  steps:\n    ask: { review: { title: "Go on?", reviewers: { groups: [leads] } } }\n'


def decided(
    directory: Path, *, submitter: str = account(), own: str | None = None, token: str | None = None, **claims: Any
) -> Decision:
    """What is written down of a decision that a program makes up; raises `DecisionRefused`."""

    async def main() -> Decision:
        async with reviewing(directory) as engine:
            run = await engine.submit(plan_of("leads", LEADS), {}, submitter=submitter, files={}, token=own)
            await engine.run(run)
            decision = Decision(step="ask", approve=True, at=datetime.now(UTC), **claims)
            try:
                await engine.signal(run, decision, token=token)
            finally:
                decisions = engine.view(run).decisions
            return decisions[0]

    return asyncio.run(main())


def test_no_program_can_claim_a_group_or_that_somebody_vouches(trusting: Trusting) -> None:
    directory = trusting("  groups: { leads: [ana] }\n")
    with pytest.raises(DecisionRefused, match="is not among the reviewers: members of leads"):
        decided(directory, by=account(), groups=["leads"], verified=True, issuer=ISSUER)


def test_no_program_can_claim_another_name(trusting: Trusting) -> None:
    directory = trusting(f"  groups: {{ leads: [ana, '{account()}'] }}\n")
    with pytest.raises(DecisionRefused, match=f"you are `{account()}` here, and cannot decide as `ana`"):
        decided(directory, by="ana", groups=["leads"])
    assert decided(directory, by=account()).groups == ["leads"]


def test_where_tokens_are_trusted_only_a_token_decides(trusting: Trusting) -> None:
    directory = trusting(TOKENS)
    with pytest.raises(DecisionRefused, match=r"a token of https://login.acme.example is needed"):
        decided(directory, **ANA, by="ana", groups=["leads"], verified=True, issuer=ISSUER)
    with pytest.raises(DecisionRefused, match="you are `ana` here, and cannot decide as `cy`"):
        decided(directory, **ANA, token=signed(groups=["leads"]), by="cy")
    kept = decided(directory, **ANA, token=signed(groups=["leads"], jti="t-9"), by="ana", groups=["owners"])
    assert (kept.groups, kept.verified, kept.issuer, kept.token) == (["leads"], True, ISSUER, "t-9")


def test_where_nothing_is_trusted_a_name_is_what_somebody_says(tmp_path: Path) -> None:
    assert decided(tmp_path, by="cy", groups=["leads"]).by == "cy"


def test_no_program_can_start_or_stop_a_run_as_somebody_else(trusting: Trusting) -> None:
    directory = trusting(f"  groups: {{ leads: ['{account()}'] }}\n")
    me = f"you are `{account()}` here, and cannot"

    async def main() -> None:
        async with reviewing(directory) as engine:
            plan = plan_of("leads", LEADS)
            with pytest.raises(IdentityRefused, match=f"{me} start a run as `bo`"):
                await engine.submit(plan, {}, submitter="bo", files={})
            run = await engine.submit(plan, {}, submitter=account(), files={})
            for again in (engine.retry_from(run, submitter="bo"), engine.rerun(run, submitter="bo")):
                with pytest.raises(IdentityRefused, match=f"{me} start a run as `bo`"):
                    await again
            with pytest.raises(IdentityRefused, match=f"{me} cancel as `bo`"):
                await engine.cancel(run, by="bo")
            assert [one.submitter for one in engine.runs()] == [account()]

    asyncio.run(main())
