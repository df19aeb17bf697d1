"""A step that is a capsule, where one task does all of it: as if its steps had been begun by the engine."""

from __future__ import annotations

import asyncio

import pytest
from bucket_place import Place

from somagent.workflows.engines.clock import utc_now
from somagent.workflows.engines.objects import people
from somagent.workflows.engines.remote.exits import Exit

USES = "  uses: { capsules: { part: ./part.capsule.yaml } }\n"


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def asks_beside_work(place, then):
    """Asks people, and is at work until there is a file `go`; after both it goes on."""
    return f"""\
  steps:
    gate: {{ review: {{ title: "Go on?" }} }}
    slow: {{ script: {{ run: 'echo at work; until [ -e {place.folder}/go ]; do sleep 0.05; done' }} }}
    after: {{ needs: [gate, slow], script: {{ run: {then} }} }}
"""


def decided_at_work(place):
    """The step, after the people whom it asks have decided while something else was at work; now that ends too."""
    process = place.start("step", "part")
    assert process.stdout.readline() == "at work\n"
    while not place.view().steps[0].inner.steps[0].waiting:
        assert process.poll() is None
    place.decide("gate", "bo", run=f"{place.run}.part")
    (place.folder / "go").touch()
    return process


def test_its_steps_run_side_by_side_and_in_their_order_and_it_gives_what_the_capsule_gives(place):
    place.submit(
        "    part: { capsule: { use: part, with: { start: 4 } } }\n  outputs: { all: '${{ steps.part.all }}' }\n"
        + USES,
        part="""\
  inputs: { start: { type: integer } }
  steps:
    each:
      forEach: "${{ [1, 2, 3] }}"
      as: one
      maxParallel: 2
      script:
        run: echo "sum=$((START + ONE))" >> "$SOMAGENT_OUTPUT"
        env: { START: "${{ inputs.start }}", ONE: "${{ one }}" }
      outputs: { sum: { type: integer } }
    odd: { script: { run: '[ $SOMAGENT_ATTEMPT = 2 ] || exit 75' }, retry: { attempts: 2, backoff: 10ms } }
    after: { needs: [each, odd], script: { run: echo after } }
  outputs: { all: "${{ steps.each.map(e, e.sum) }}" }
  finally: { tidy: { script: { run: 'echo "$HOW"', env: { HOW: "${{ run.phase }}" } } } }
""",
    )
    assert place.do("step", "part")[0] == Exit.DONE
    assert place.do("end")[0] == Exit.DONE
    view = place.view()
    assert view.outputs == {"all": [5, 6, 7]}
    (part,) = view.steps
    assert part.attempts == 1
    assert [(step.phase, step.attempts) for step in part.inner.steps] == [
        ("Succeeded", 3),
        ("Succeeded", 2),
        ("Succeeded", 1),
        ("Succeeded", 1),
    ]


def test_a_question_inside_parks_the_step_until_it_is_decided(place):
    place.submit(
        "    part: { capsule: { use: part } }\n" + USES,
        part="""\
  steps:
    gate: { review: { title: "Go on?" } }
    after: { needs: [gate], script: { run: echo } }
""",
    )
    for _ in range(2):  # to look again is no other attempt
        assert place.do("step", "part")[0] == Exit.DONE
        assert place.answer("phase") == "Waiting"
        assert place.answer("summary") == "waiting for somebody (1): part/gate: Go on?"
    place.decide("gate", "bo", run=f"{place.run}.part")
    assert place.do("step", "part")[0] == Exit.DONE
    assert place.answer("phase") == "Succeeded"
    (part,) = place.view().steps
    assert (len(part.history), [step.attempts for step in part.inner.steps]) == (2, [2, 1])


def test_what_is_decided_inside_while_another_step_is_at_work_is_gone_on_with_at_once(place):
    place.submit(
        "    part: { capsule: { use: part } }\n" + USES,
        part=asks_beside_work(place, then="echo after"),
    )
    process = decided_at_work(place)
    assert process.communicate(timeout=60)[0].endswith("approve\nafter\n")
    assert (process.returncode, place.answer("phase")) == (Exit.DONE, "Succeeded")
    (part,) = place.view().steps
    assert (part.attempts, [step.attempts for step in part.inner.steps]) == (1, [2, 1, 1])


def test_at_the_deadline_what_is_inside_is_cut_off_and_its_finally_runs(place):
    place.submit(
        "    part: { timeout: 300ms, capsule: { use: part } }\n" + USES,
        part="""\
  steps:
    slow: { script: { run: sleep 30 } }
    after: { needs: [slow], script: { run: echo } }
  finally: { tidy: { script: { run: echo tidied } } }
""",
    )
    code, said = place.do("step", "part")
    assert (code, said) == (Exit.FAILED, "tidied\n")
    (part,) = place.view().steps
    assert part.failure.failure_class == "timeout"
    assert [step.phase for step in part.inner.steps] == ["Failed", "Omitted", "Succeeded"]
    assert [one.failure.failure_class for one in part.inner.steps[0].history] == ["timeout"]


def test_a_cancelled_run_ends_what_is_inside_its_finally_included(place):
    place.submit(
        "    part: { capsule: { use: part } }\n  finally: { last: { script: { run: echo last } } }\n" + USES,
        part="""\
  steps:
    slow: { script: { run: echo at work; sleep 30 } }
  finally:
    tidy: { forEach: "${{ [1, 2] }}", script: { run: 'echo "tidied $ITEM"', env: { ITEM: "${{ item }}" } } }
""",
    )
    process = place.start("step", "part")
    assert process.stdout.readline() == "at work\n"
    asyncio.run(people.cancel(place.ledger(), place.run, "bo", utc_now().isoformat()))
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == Exit.CANCELLED
    code, said = place.do("step", "last")
    assert (code, sorted(said.split("\n"))) == (Exit.DONE, ["", "last", "tidied 1", "tidied 2"])  # items in any order
    assert place.do("end")[0] == Exit.CANCELLED
    part, _ = place.view().steps
    assert (part.phase, [step.phase for step in part.inner.steps]) == ("Cancelled", ["Cancelled", "Succeeded"])


ASKS_AT_THE_END = """\
  steps:
    slow: { script: { run: echo } }
  finally:
    gate: { review: { title: "Tidy?" } }
    after: { script: { run: echo } }
"""


def test_people_whom_finally_inside_asks_are_waited_for(place):
    place.submit("    part: { capsule: { use: part } }\n" + USES, part=ASKS_AT_THE_END)
    for _ in range(2):
        assert place.do("step", "part")[0] == Exit.DONE
        assert (place.answer("phase"), place.answer("summary")) == (
            "Waiting",
            "waiting for somebody (1): part/gate: Tidy?",
        )
    assert [step.phase for step in place.view().steps[0].inner.steps] == ["Succeeded", "Waiting", "Pending"]
    place.decide("gate", "bo", run=f"{place.run}.part")
    assert place.do("step", "part")[0] == Exit.DONE
    assert [step.phase for step in place.view().steps[0].inner.steps] == ["Succeeded"] * 3


@pytest.mark.parametrize("each", ["", 'forEach: "${{ [1, 2] }}", '])
def test_a_capsule_in_finally_that_asks_is_looked_at_again_and_goes_on(place, each):
    place.submit(
        f"    first: {{ script: {{ run: echo }} }}\n  finally: {{ tidy: {{ {each}capsule: {{ use: part }} }} }}\n"
        + USES,
        part=ASKS_AT_THE_END.replace("slow: {", "ask: { review: { title: Now? } }\n    slow: { needs: [ask], "),
    )
    assert place.do("step", "first")[0] == Exit.DONE
    calls = [["step", "tidy", "0"], ["step", "tidy", "1"]] if each else [["step", "tidy"]]
    if each:
        assert place.do("open", "tidy")[0] == Exit.DONE
    for gate in ("ask", "gate"):
        for call in [*calls, *calls]:
            assert place.do(*call)[0] == Exit.DONE
            assert place.answer("phase") == "Waiting"
        for call in calls:
            place.decide(gate, "bo", run=".".join([place.run, *call[1:]]))
    for call in calls:
        assert place.do(*call)[0] == Exit.DONE
    if each:
        assert place.do("close", "tidy")[0] == Exit.DONE
    assert place.do("end")[0] == Exit.DONE
    view = place.view()
    assert (view.phase, view.steps[1].phase) == ("Succeeded", "Succeeded")


def test_what_a_stopped_run_has_left_inside_is_ended_and_waits_for_whom_its_finally_asks(place):
    place.submit(
        "    part: { capsule: { use: part } }\n" + USES,
        part=ASKS_AT_THE_END.replace("echo }", "echo at work; sleep 60 }", 1),
    )
    process = place.start("step", "part")
    assert process.stdout.readline() == "at work\n"
    asyncio.run(people.cancel(place.ledger(), place.run, "bo", utc_now().isoformat()))
    process.terminate()
    process.communicate(timeout=30)
    for _ in range(2):
        assert place.do("end-inside")[0] == Exit.DONE
        assert (place.answer("phase"), place.answer("summary")) == (
            "Waiting",
            "waiting for somebody (1): part/gate: Tidy?",
        )
        view = place.view()
        assert (view.phase, view.steps[0].phase) == ("Waiting", "Waiting")  # it ends after what is inside
    place.decide("gate", "bo", run=f"{place.run}.part")
    assert place.do("end-inside")[0] == Exit.DONE
    assert place.answer("phase") == "Succeeded"
    assert place.do("end")[0] == Exit.CANCELLED
    (part,) = place.view().steps
    assert (part.phase, [attempt.phase for attempt in part.history]) == ("Cancelled", ["Waiting"])
    assert [step.phase for step in part.inner.steps] == ["Cancelled", "Succeeded", "Succeeded"]


@pytest.mark.parametrize("each", ["", "forEach: '${{ [1] }}', "])
def test_a_step_whose_inmost_capsule_ends_by_a_cancellation_is_cancelled(place, each):
    leaf = f"""\
  steps:
    slow: {{ script: {{ run: 'echo at work; until [ -e {place.folder}/go ]; do sleep 0.05; done' }} }}
    after: {{ needs: [slow], script: {{ run: echo after }} }}
"""
    middle = f"""\
  uses: {{ capsules: {{ leaf: ./leaf.capsule.yaml }} }}
  steps: {{ inner: {{ {each}capsule: {{ use: leaf }} }} }}
  finally: {{ tidy: {{ script: {{ run: echo tidied }} }} }}
"""
    place.submit("    part: { capsule: { use: part } }\n" + USES, part=middle, leaf=leaf)
    process = place.start("step", "part")
    assert process.stdout.readline() == "at work\n"
    asyncio.run(people.cancel(place.ledger(), place.run, "bo", utc_now().isoformat()))
    (place.folder / "go").touch()
    process.communicate(timeout=60)
    assert process.returncode == Exit.CANCELLED
    assert place.do("end")[0] == Exit.CANCELLED
    (part,) = place.view().steps
    assert (part.phase, part.inner.phase) == ("Cancelled", "Cancelled")
    assert [(step.id, step.phase) for step in part.inner.steps] == [("inner", "Cancelled"), ("tidy", "Succeeded")]


def test_what_is_cut_off_after_people_decided_says_the_whole_time_that_it_had(place):
    place.submit(
        "    part: { timeout: 3s, capsule: { use: part } }\n" + USES,
        part=asks_beside_work(place, then="sleep 60"),
    )
    process = decided_at_work(place)
    process.communicate(timeout=60)
    assert place.view().steps[0].failure.message == "capsule `part`: step `after`: cut off after 3 s"


def test_whom_finally_of_the_inmost_capsule_asks_at_the_deadline_of_the_outmost_is_told_and_waited_for(place):
    place.submit(
        "    part: { timeout: 2s, capsule: { use: part } }\n" + USES,
        part="""\
  uses: { capsules: { leaf: ./leaf.capsule.yaml } }
  steps: { inner: { capsule: { use: leaf } } }
  finally: { tidy: { script: { run: echo tidied } } }
""",
        leaf="""\
  steps: { slow: { script: { run: sleep 30 } } }
  finally:
    gate: { review: { title: "Tidy?", due: 1h, onTimeout: reject } }
    after: { script: { run: echo after } }
""",
    )
    for _ in range(2):  # to look again is no other attempt
        assert place.do("step", "part")[0] == Exit.DONE
        assert place.answer("summary") == "waiting for somebody (1): part/inner/gate: Tidy?"
        assert 3000 < float(place.answer("seconds")) <= 3600
    assert place.view().steps[0].attempts == 1
    place.decide("gate", "bo", run=f"{place.run}.part.inner")
    code, said = place.do("step", "part")
    assert (code, said.endswith("after\ntidied\n")) == (Exit.FAILED, True)
    (part,) = place.view().steps
    inner, tidy = part.inner.steps
    assert (part.failure.failure_class, tidy.phase) == ("timeout", "Succeeded")
    assert [step.phase for step in inner.inner.steps] == ["Failed", "Succeeded", "Succeeded"]
    assert [one.failure.message for one in inner.inner.steps[0].history] == ["cut off after 2 s"]
