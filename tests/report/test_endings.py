"""A report says how a run ended, whichever way it did, in words that a newcomer understands."""

import asyncio
from collections.abc import Callable
from typing import Any

from somagent.workflows.engines.local import LocalEngine

QUICK = """
description: Counts to three.
steps:
  count:
    script: { run: 'echo three=3 >> $SOMAGENT_OUTPUT' }
    outputs: { three: { type: integer } }
  tell:
    script: { run: 'test "$NUMBER" = 3', env: { NUMBER: "${{ steps.count.three }}" } }
outputs: { three: "${{ steps.count.three }}" }
"""

FAILING = """
steps:
  fetch:
    retry: { attempts: 3, backoff: 20ms, failures: [transient] }
    script: { run: 'echo "asking the index"; echo "the index is busy" >&2; exit 75' }
    outputs: { size: { type: integer } }
  measure:
    script: { run: 'true', env: { SIZE: "${{ steps.fetch.size }}" } }
  publish:
    needs: [measure]
    script: { run: 'true' }
  apart:
    script: { run: 'true' }
finally:
  tidy: { script: { run: 'echo tidied' } }
"""

ASKING = """
steps:
  draft:
    script: { run: 'echo words=120 >> $SOMAGENT_OUTPUT' }
    outputs: { words: { type: integer } }
  agree:
    review:
      title: Publish ${{ steps.draft.words }} words?
      reviewers: { groups: [editors], count: 1, notSubmitter: true }
      show: ["${{ steps.draft.words }}"]
      due: 24h
  publish:
    needs: [agree]
    script: { run: 'true' }
outputs: { words: "${{ steps.draft.words }}" }
"""

RULES = """
apiVersion: somagent.io/v1alpha1
kind: Constitution
metadata: { name: house }
spec:
  version: 2.0.0
  principles: [{ id: quiet, text: The house stays quiet. }]
  input: {}
  otherwise: deny
  steps: allow
  rules:
    - id: no-noise
      scope: step
      effect: deny
      when: step.id == "shout" && run.submitter == "ada"
      because: shouting wakes the neighbours
      principle: quiet
"""


def test_a_run_that_succeeded_says_so_with_its_results_and_how_long_it_took(ran: Callable[..., Any]) -> None:
    done = ran(QUICK)
    assert done.view.phase == "Succeeded"
    head = done.page.root.all("header")[0].text
    assert "tested" in head
    assert "Succeeded" in head
    assert "All steps that had to run succeeded. 2 steps: 2 succeeded." in head
    assert "ada" in head
    assert "UTC" in head
    assert done.page.section("results").endswith("three3")
    assert not done.page.has("failures")
    assert not done.page.has("people")


def test_a_failure_shows_its_class_its_tries_its_log_and_what_never_started(ran: Callable[..., Any]) -> None:
    failed = ran(FAILING)
    assert failed.view.phase == "Failed"
    section = failed.page.section("failures")
    assert "fetch" in section
    assert "transient: a passing fault" in section
    assert "It was tried 3 times." in section
    assert "the index is busy" in section
    assert "these never started: measure and publish" in section
    assert "apart" not in section
    assert "pause before another try" in failed.page.section("time")
    tries = [row for row in failed.page.ids["steps"].all("tr") if "next try at" in row.text]
    assert len(tries) == 2


GIVEN = """
steps:
  list:
    script: { run: 'echo "rows=[{\\"size\\": 3}]" >> "$SOMAGENT_OUTPUT"' }
    outputs: { rows: { type: array, items: { type: object } } }
  each:
    forEach: "${{ ['a', 'b'] }}"
    as: name
    script:
      env: { WORD: quince, NAME: "${{ name }}", ROWS: "${{ steps.list.rows }}" }
      run: '[ "$NAME" = a ]'
"""


def test_a_failure_shows_what_the_step_was_given_and_where_it_stands(ran: Callable[..., Any]) -> None:
    failed = ran(GIVEN)
    card = failed.page.ids["failures"].all("article")[0]
    given = {one.all("dt")[0].text: one.all("dd")[0].text for one in card.all("dl")[0].children}
    assert (given["env.WORD"], given["env.NAME"], given["run"]) == ("quince", "b", '[ "$NAME" = a ]')
    assert "size3" in given["env.ROWS"]
    assert "It stands in " in card.text


def test_a_failed_run_says_why_there_are_no_results(ran: Callable[..., Any]) -> None:
    page = ran(FAILING + "outputs: { size: '${{ steps.fetch.size }}' }\n").page
    assert "when all steps have succeeded" in page.section("results")


def test_a_parked_run_says_whom_it_waits_for_and_how_to_go_on(ran: Callable[..., Any]) -> None:
    parked = ran(ASKING)
    assert parked.view.phase == "Waiting"
    section = parked.page.section("people")
    assert "Publish 120 words?" in section
    assert "members of editors, but not the person who started the run" in section
    assert "without an answer by then: reject" in section
    assert f"somagent approve {parked.view.run.id} agree --as NAME" in section
    assert "No decision was written down." in section
    order = [e.attributes["id"] for e in parked.page.root.all("section")]
    assert order.index("people") < order.index("results")
    assert "waits for people" in parked.page.section("words")
    assert "waiting" in parked.page.section("graph")


def test_items_that_wait_each_say_how_to_go_on_in_words_that_a_shell_takes_as_they_are(ran: Callable[..., Any]) -> None:
    page = ran(
        """
        steps:
          each:
            forEach: "${{ ['a', 'b'] }}"
            as: name
            review: { title: "Go on with ${{ name }}?", reviewers: { groups: ["x; touch /tmp/never"] } }
        """
    ).page
    section = page.section("people")
    assert "Go on with a?" in section
    assert "Go on with b?" in section
    assert "each/1 --as NAME" in section
    assert "--group" not in section


def test_a_decision_shows_who_on_whose_word_and_why(ran: Callable[..., Any], decide: Callable[..., Any]) -> None:
    async def act(engine: LocalEngine, run_id: str) -> None:
        await engine.run(run_id)
        decision = decide("agree", approve=True, groups=["editors"], account="grace-1", comment="Read it twice.\nGood.")
        await engine.signal(run_id, decision)
        await engine.run(run_id)

    decided = ran(ASKING, act=act)
    assert decided.view.phase == "Succeeded"
    cells = [cell.text for cell in decided.page.ids["people"].all("td")]
    assert cells[:5] == ["approved", "grace", "editors", "asserted", "grace-1"]
    assert cells[6] == "Read it twice.\nGood."
    assert "waiting for people" in decided.page.section("time")


def test_a_rejection_is_a_failure_by_a_person(ran: Callable[..., Any], decide: Callable[..., Any]) -> None:
    async def act(engine: LocalEngine, run_id: str) -> None:
        await engine.run(run_id)
        await engine.signal(run_id, decide("agree", approve=False, groups=["editors"], comment="Too long."))
        await engine.run(run_id)

    rejected = ran(ASKING, act=act)
    assert rejected.view.phase == "Failed"
    section = rejected.page.section("failures")
    assert "rejected by grace: Too long." in section
    assert "denied: a rule or a person said no" in section
    assert "these never started: publish" in section


def test_a_step_that_the_constitution_denies_shows_the_rule_and_its_reason(ran: Callable[..., Any]) -> None:
    denied = ran("steps: { shout: { script: { run: 'echo HEY' } } }", constitution=RULES)
    assert denied.view.phase == "Failed"
    assert "shouting wakes the neighbours" in denied.page.section("failures")
    verdict = denied.page.row("evidence", "shout")[1]
    assert "deny" in verdict
    assert "by house" in verdict
    assert "no-noise: shouting wakes the neighbours" in verdict
    assert 'step.id == "shout" && run.submitter == "ada"' in denied.page.section("evidence")


def test_a_cancelled_run_says_who_cancelled_it(ran: Callable[..., Any]) -> None:
    async def act(engine: LocalEngine, run_id: str) -> None:
        work = asyncio.create_task(engine.run(run_id))
        await asyncio.sleep(0.3)
        await engine.cancel(run_id, by="grace")
        await work

    stopped = ran(
        "steps: { long: { script: { run: 'sleep 30' } }, after: { needs: [long], script: { run: 'true' } } }", act=act
    )
    assert stopped.view.phase == "Cancelled"
    head = stopped.page.root.all("header")[0].text
    assert "A person stopped the run." in head
    assert "cancelled by grace" in head


def test_a_run_that_was_stopped_says_how_to_go_on(ran: Callable[..., Any]) -> None:
    async def act(engine: LocalEngine, run_id: str) -> None:
        work = asyncio.create_task(engine.run(run_id))
        await asyncio.sleep(0.3)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    stopped = ran("steps: { long: { script: { run: 'sleep 30' } } }", act=act)
    assert stopped.view.phase == "Pending"
    head = stopped.page.root.all("header")[0].text
    assert "Nobody is at work on the run." in head
    assert f"somagent resume {stopped.view.run.id}" in head
    assert "cut_off" in stopped.page.section("steps")


def test_a_run_at_work_is_reported_as_far_as_it_got(ran: Callable[..., Any], read_page: Callable[[str], Any]) -> None:
    from somagent.workflows.report import render_report

    pages = []

    async def act(engine: LocalEngine, run_id: str) -> None:
        work = asyncio.create_task(engine.run(run_id))
        await asyncio.sleep(0.3)
        pages.append(read_page(render_report(engine.view(run_id))))
        await engine.cancel(run_id, by="ada")
        await work

    ran("steps: { long: { script: { run: 'sleep 30' } }, after: { needs: [long], script: { run: 'true' } } }", act=act)
    head = pages[0].root.all("header")[0].text
    assert "still at work when this page was made" in head
    assert "so far" in head
    assert "for long" in pages[0].row("time", "after")[1]


def test_a_skipped_step_and_one_behind_a_closed_gate_are_told_apart(ran: Callable[..., Any]) -> None:
    page = ran(
        """
        inputs: { wanted: { type: boolean, default: false } }
        steps:
          extra: { if: inputs.wanted, script: { run: 'true' } }
          gate: { if: inputs.wanted, review: { title: 'Really?' } }
          behind: { needs: [gate], script: { run: 'true' } }
        """.replace("\n        ", "\n"),
        inputs={"wanted": False},
    ).page
    assert page.row("evidence", "extra")[0] == "Skipped"
    assert page.row("evidence", "behind")[0] == "Omitted"
    assert page.row("time", "extra")[1] == "was not needed"
    assert "never started" in page.row("time", "behind")[1]
    assert "gate gate was skipped" in page.section("steps").replace("`", "")


def test_a_run_that_takes_over_results_says_from_which_run(ran: Callable[..., Any]) -> None:
    first: list[str] = []

    async def act(engine: LocalEngine, run_id: str) -> str:
        first.append(run_id)
        await engine.run(run_id)
        again = await engine.retry_from(run_id, "fetch")
        await engine.run(again)
        return again

    page = ran(FAILING, act=act).page
    assert first[0] in page.root.all("header")[0].text
    assert page.row("time", "apart")[1] == "taken over from an earlier run; it took no time in this one"
