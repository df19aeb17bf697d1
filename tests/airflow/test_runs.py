"""Capsules run by a real Airflow come out as they should, and Airflow shows what became of them."""

from __future__ import annotations

import asyncio
import json

from airflow_site import Site


def test_values_and_files_go_from_task_to_task_and_the_run_ends_with_its_outputs(site: Site) -> None:
    spec = """\
  inputs: { who: { type: string } }
  steps:
    make:
      script: { run: 'echo "count=3" >> "$SOMAGENT_OUTPUT"; echo hello > f; echo made' }
      outputs: { count: { type: integer }, f: { type: artifact, path: f } }
    use:
      script:
        run: echo "said=$(cat "$FILE") $WHO $MORE" >> "$SOMAGENT_OUTPUT"
        env: { FILE: "${{ steps.make.f }}", WHO: "${{ inputs.who }}", MORE: "${{ steps.make.count + 1 }}" }
      outputs: { said: { type: string } }
  outputs: { said: "${{ steps.use.said }}" }
  finally: { tell: { script: { run: 'echo "it $HOW"', env: { HOW: "${{ run.phase }}" } } } }
"""

    async def main() -> None:
        view = await site.run(spec, who='{{ 1/0 }} "quoted" \U0001f600')
        assert (view.phase, view.outputs) == ("Succeeded", {"said": 'hello {{ 1/0 }} "quoted" \U0001f600 4'})
        assert [(step.phase, step.attempts) for step in view.steps] == [("Succeeded", 1)] * 3
        run = view.run.id
        assert await site.state(run) == "success"
        assert await site.states(run) == dict.fromkeys(("make", "use", "tell", "end-of-run"), "success")
        assert "made" in await site.log(run, "make")
        assert "it Succeeded" in await site.log(run, "tell")
        assert json.loads(await site.xcom(run, "make")) == {"phase": "Succeeded", "summary": "Succeeded"}
        assert [chunk.text for chunk in site.engine.logs(run, "make")] == ["made\n"]

    asyncio.run(main())


def test_a_failed_step_stops_what_needs_it_and_the_dag_run_fails_although_its_last_task_did_not(site: Site) -> None:
    spec = """\
  steps:
    wrong: { script: { run: exit 3 }, retry: { attempts: 3, backoff: 1s, failures: [transient] } }
    after: { needs: [wrong], script: { run: echo never } }
    other: { script: { run: echo beside } }
  finally: { tidy: { script: { run: echo tidied } } }
"""

    async def main() -> None:
        view = await site.run(spec)
        assert [step.phase for step in view.steps] == ["Failed", "Omitted", "Succeeded", "Succeeded"]
        assert view.steps[0].attempts == 1  # exit code 3 is no class that is tried again
        assert await site.state(view.run.id) == "failed"
        assert await site.states(view.run.id) == {
            "wrong": "failed",
            "after": "upstream_failed",
            "other": "success",
            "tidy": "success",
            "end-of-run": "failed",
        }
        assert (await site.task(view.run.id, "wrong"))["try_number"] == 1

    asyncio.run(main())


def test_what_is_at_work_beside_a_failed_step_ends_before_the_run_does(site: Site) -> None:
    spec = """\
  steps:
    wrong: { script: { run: exit 3 } }
    slow: { script: { run: sleep 5 } }
    ask: { review: { title: Go on? } }
    join: { needs: [wrong, slow, ask], script: { run: echo never } }
  finally:
    tidy:
      forEach: "${{ [1, 0] }}"
      as: one
      script: { run: 'echo "m=$((10 / BY))" >> "$SOMAGENT_OUTPUT"', env: { BY: "${{ one }}" } }
      outputs: { m: { type: integer } }
    last: { script: { run: 'echo "it $HOW"', env: { HOW: "${{ steps.slow.status }}" } } }
"""

    async def main() -> None:
        view = await site.run(spec)
        run = view.run.id
        assert view.phase == "Waiting"
        assert (await site.states(run))["join"] == "upstream_failed"
        await site.decide(run, "ask", "bo")
        view = await site.ended(run)
        assert view.phase == "Failed"
        phases = ["Failed", "Succeeded", "Succeeded", "Omitted", "Failed", "Succeeded"]
        assert [step.phase for step in view.steps] == phases
        assert [item.phase for item in view.steps[4].items] == ["Succeeded", "Failed"]
        assert "it Succeeded" in await site.log(run, "last")

    asyncio.run(main())


def test_a_class_of_failure_that_may_pass_is_tried_again(site: Site) -> None:
    spec = """\
  steps:
    odd: { script: { run: '[ $SOMAGENT_ATTEMPT = 3 ] || exit 75' }, retry: { attempts: 3, backoff: 1s } }
    slow: { timeout: 1s, script: { run: '[ $SOMAGENT_ATTEMPT = 2 ] || sleep 60' }, retry: { attempts: 2, backoff: 1s } }
    bad: { script: { run: exit 75 }, retry: { attempts: 2, backoff: 1s } }
"""

    async def main() -> None:
        view = await site.run(spec)
        ends = [[one.failure and one.failure.failure_class for one in step.history] for step in view.steps]
        assert ends == [["transient", "transient", None], ["timeout", None], ["transient", "transient"]]
        assert [step.phase for step in view.steps] == ["Succeeded", "Succeeded", "Failed"]
        tries = [(await site.task(view.run.id, name))["try_number"] for name in ("odd", "slow", "bad")]
        assert tries == [3, 2, 2]  # Airflow tries as often as the step runner asked for

    asyncio.run(main())


def test_a_skipped_step_lets_others_begin_but_a_skipped_gate_does_not(site: Site) -> None:
    spec = """\
  steps:
    idle: { if: "1 > 2", script: { run: echo no } }
    after: { needs: [idle], script: { run: echo after } }
    gate: { if: "1 > 2", review: { title: Go on? } }
    behind: { needs: [gate], script: { run: echo never } }
    far: { needs: [behind], script: { run: echo never } }
"""

    async def main() -> None:
        view = await site.run(spec)
        assert [step.phase for step in view.steps] == ["Skipped", "Succeeded", "Skipped", "Omitted", "Omitted"]
        assert await site.states(view.run.id) == {
            "idle": "skipped",
            "after": "success",
            "gate": "skipped",
            "behind": "skipped",
            "far": "skipped",
            "end-of-run": "failed",
        }
        assert json.loads(await site.xcom(view.run.id, "idle"))["phase"] == "Skipped"

    asyncio.run(main())


def test_items_keep_their_places_whatever_becomes_of_some(site: Site) -> None:
    spec = """\
  steps:
    each:
      forEach: "${{ [5, 0, 2] }}"
      as: one
      maxParallel: 2
      onItemFailure: collect
      script: { run: 'echo "m=$((10 / BY))" >> "$SOMAGENT_OUTPUT"', env: { BY: "${{ one }}" } }
      outputs: { m: { type: integer } }
    none: { forEach: "${{ [5].filter(n, n > 7) }}", as: one, script: { run: echo never } }
    idle: { if: "1 > 2", forEach: "${{ [1, 2] }}", as: one, script: { run: echo never } }
    after: { needs: [none, idle], script: { run: echo after } }
  outputs: { all: "${{ steps.each.map(e, has(e.m) ? e.m : -1) }}" }
"""

    async def main() -> None:
        view = await site.run(spec)
        assert (view.phase, view.outputs) == ("Succeeded", {"all": [2, -1, 5]})
        assert [step.phase for step in view.steps] == ["Succeeded", "Succeeded", "Skipped", "Succeeded"]
        states = await site.states(view.run.id)
        assert states["each.item"] == ["success", "failed", "success"]
        assert [
            states[name] for name in ("each.close", "none.item", "none.close", "idle.open", "idle.close", "after")
        ] == [
            "success",
            "skipped",
            "success",
            "skipped",
            "skipped",
            "success",
        ]

    asyncio.run(main())


def test_a_list_that_is_longer_than_airflow_takes_has_several_items_in_a_task(site: Site) -> None:
    spec = """\
  steps:
    each:
      forEach: "${{ [0, 1, 2, 3, 4, 5, 6] }}"
      as: one
      onItemFailure: collect
      script: { run: '[ "$NUM" != 4 ] && echo "m=$NUM" >> "$SOMAGENT_OUTPUT"', env: { NUM: "${{ one }}" } }
      outputs: { m: { type: integer } }
  outputs: { all: "${{ steps.each.map(e, has(e.m) ? e.m : -1) }}" }
"""

    async def main() -> None:
        view = await site.run(spec)
        assert view.outputs == {"all": [0, 1, 2, 3, -1, 5, 6]}
        assert (await site.states(view.run.id))["each.item"] == ["success", "success", "failed"]

    asyncio.run(main())
