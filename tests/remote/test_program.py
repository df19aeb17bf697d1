"""The program that pods and tasks start, as processes at one bucket; each test starts them as an engine would."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from datetime import timedelta

import pytest
from bucket_place import Place
from scripts_left import end_scripts

from somagent.capsule_compiler.plan import plan_digest
from somagent.workflows.engines.clock import utc_now
from somagent.workflows.engines.given import given_to
from somagent.workflows.engines.objects import people
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.objects.upkeep import prune
from somagent.workflows.engines.remote.exits import FOR_GOOD, Exit


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_steps_hand_on_values_and_files_and_the_run_ends_with_its_outputs(place):
    place.submit(
        """\
    make:
      script: { run: 'echo "count=3" >> "$SOMAGENT_OUTPUT"; echo hello > f; echo made' }
      outputs: { count: { type: integer }, f: { type: artifact, path: f } }
    use:
      script:
        run: echo "said=$(cat "$FILE") $MORE" >> "$SOMAGENT_OUTPUT"
        env: { FILE: "${{ steps.make.f }}", MORE: "${{ steps.make.count + 1 }}" }
      outputs: { said: { type: string } }
  outputs: { said: "${{ steps.use.said }}" }
"""
    )
    assert place.do("step", "make") == (Exit.DONE, "made\n")
    assert (place.answer("phase"), place.answer("summary")) == ("Succeeded", "Succeeded")
    assert place.do("step", "make") == (Exit.DONE, "")  # recorded: nothing runs again
    assert place.do("step", "use")[0] == Exit.DONE
    assert place.do("end")[0] == Exit.DONE
    view = place.view()
    assert (view.phase, view.outputs) == ("Succeeded", {"said": "hello 4"})
    assert [step.attempts for step in view.steps] == [1, 1]


def test_a_process_that_is_killed_is_followed_by_one_that_waits_for_its_lease_to_end(place):
    place.submit(
        """\
    slow: { script: { run: 'echo "attempt $SOMAGENT_ATTEMPT"; [ $SOMAGENT_ATTEMPT = 2 ] || sleep 60' } }
"""
    )
    first = place.start("step", "slow")
    assert first.stdout is not None
    assert first.stdout.readline() == "attempt 1\n"
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert place.do("step", "slow") == (Exit.DONE, "attempt 2\n")
    history = place.view().steps[0].history
    assert [attempt.failure and attempt.failure.failure_class for attempt in history] == ["cut_off", None]


def test_a_bound_process_that_is_killed_takes_along_what_it_has_started(place):
    place.submit(
        """\
    slow: { script: { run: 'trap "" TERM; sleep 61 & setsid sleep 62 & echo at work; sleep 63' } }
"""
    )
    work = place.folder / "work"
    work.mkdir()
    process = place.start("--bound", "--work", work, "step", "slow", stdin=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    process.kill()
    process.communicate(timeout=30)  # nobody else holds its streams
    end = time.monotonic() + 30
    while any(work.iterdir()):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert end_scripts(work) == []


def test_all_answers_are_in_one_file_where_an_engine_reads_no_folder(place):
    place.submit(
        """\
    each: { forEach: "${{ [5, 7] }}", as: one, script: { run: "true" } }
    wrong: { script: { run: "exit 3" } }
    ask: { review: { title: "Go \\u001b on?", reviewers: { users: [bo] } } }
"""
    )
    message = place.folder / "message"

    def told(*words):
        process = place.start("--message", message, *words)
        process.communicate(timeout=60)
        return process.returncode, json.loads(message.read_text())

    assert told("open", "each") == (Exit.DONE, {"phase": "Running", "summary": "2 items", "items": 2})
    failed = {"phase": "Failed", "summary": "Failed: exit code 3", "items": 0}
    assert told("step", "wrong") == (Exit.FAILED, failed)
    assert told("step", "ask") == (Exit.DONE, {"phase": "Waiting", "summary": "waiting for bo (1): Go   on?"})
    code, unknown = told("step", "nothing")
    assert code == Exit.REFUSED
    assert "nothing" in unknown["summary"]


def test_two_processes_for_one_step_work_once(place):
    place.submit("    slow: { script: { run: echo worked; sleep 2 } }\n")
    both = [place.start("step", "slow") for _ in range(2)]
    said = sorted(process.communicate(timeout=60)[0] for process in both)
    assert said == ["", "worked\n"]
    assert [process.returncode for process in both] == [Exit.DONE, Exit.DONE]


def test_a_step_that_fails_is_tried_again_where_retry_says_so_and_then_fails_for_good(place):
    place.submit(
        """\
    odd: { script: { run: exit 75 }, retry: { attempts: 2, backoff: 1s } }
    after: { needs: [odd], script: { run: echo never } }
"""
    )
    assert place.do("step", "odd")[0] == Exit.AGAIN
    assert place.reason() == "attempt 1 is tried again: exit code 75 (try again)"
    assert place.do("step", "odd")[0] == Exit.FAILED
    assert place.reason() == "exit code 75 (try again)"
    assert place.do("step", "after") == (Exit.OMITTED, "")
    assert place.reason() == "step `odd` failed"
    assert place.do("end")[0] == Exit.FAILED
    view = place.view()
    assert (view.phase, view.failure.failure_class) == ("Failed", "transient")
    assert [step.phase for step in view.steps] == ["Failed", "Omitted"]
    first, second = view.steps[0].history
    assert (second.started_at - first.ended_at).total_seconds() >= 1


def test_a_gate_opens_by_a_decision_and_by_nothing_else(place):
    place.submit(
        """\
    gate: { review: { title: Go on?, reviewers: { users: [bo] }, due: 1h } }
    after: { needs: [gate], script: { run: echo behind } }
"""
    )
    assert place.do("step", "gate")[0] == Exit.DONE
    assert (place.answer("phase"), place.answer("summary")) == ("Waiting", "waiting for bo (1): Go on?")
    assert 3590 <= int(place.answer("seconds")) <= 3600
    # somebody resumes the node by hand
    assert place.do("step", "gate")[0] == Exit.DONE
    assert place.answer("phase") == "Waiting"
    code, said = place.do("step", "after")
    assert (code, said) == (Exit.REFUSED, "error: step `gate` has not ended; it waits for bo (1): Go on?\n")
    assert place.reason() == "step `gate` has not ended; it waits for bo (1): Go on?"
    place.decide("gate", "bo")
    assert place.do("step", "gate")[0] == Exit.DONE
    assert place.do("step", "after") == (Exit.DONE, "behind\n")


def test_a_fan_out_is_opened_its_items_run_and_closed(place):
    place.submit(
        """\
    each:
      forEach: "${{ [2, 0, 5] }}"
      as: one
      onItemFailure: collect
      script: { run: 'echo "m=$((10 / BY))" >> "$SOMAGENT_OUTPUT"', env: { BY: "${{ one }}" } }
      outputs: { m: { type: integer } }
  outputs: { all: "${{ steps.each.map(e, has(e.m) ? e.m : -1) }}" }
"""
    )
    assert place.do("open", "each")[0] == Exit.DONE
    assert place.answer("items") == "[0, 1, 2]"
    assert [place.do("step", "each", item)[0] for item in range(3)] == [Exit.DONE, Exit.FAILED, Exit.DONE]
    assert place.do("close", "each")[0] == Exit.DONE
    assert place.do("end")[0] == Exit.DONE
    assert place.view().outputs == {"all": [5, -1, 2]}


def test_what_no_engine_came_to_is_written_down_at_the_end(place):
    place.submit(
        """\
    a: { script: { run: "true" } }
    each: { forEach: "${{ [1, 2] }}", as: one, needs: [a], script: { run: "true" } }
    b: { needs: [each], script: { run: "true" } }
"""
    )
    assert place.do("step", "a")[0] == Exit.DONE
    assert place.do("open", "each")[0] == Exit.DONE
    assert place.do("end")[0] == Exit.FAILED
    view = place.view()
    assert [step.phase for step in view.steps] == ["Succeeded", "Failed", "Omitted"]
    assert view.failure.message.startswith("step `each`: 2 of 2 items failed")


def test_a_cancelled_run_begins_nothing_more(place):
    place.submit("    a: { script: { run: echo no } }\n    b: { needs: [a], script: { run: echo no } }\n")
    asyncio.run(people.cancel(place.ledger(), place.run, "bo", utc_now().isoformat()))
    assert place.do("step", "a") == (Exit.CANCELLED, "")
    assert place.do("end")[0] == Exit.CANCELLED
    view = place.view()
    assert (view.phase, view.failure.message) == ("Cancelled", "step `a`: cancelled by bo")


@pytest.mark.parametrize(
    "commands",
    [
        pytest.param((("step", "each", 1), ("close", "each")), id="that is closed"),
        pytest.param((("end",),), id="that no engine comes to any more"),
    ],
)
def test_items_of_a_cancelled_fan_out_end_each_by_itself(place, commands):
    place.submit(
        """\
    each: { forEach: "${{ [1, 2] }}", as: one, script: { run: "true" } }
"""
    )
    assert place.do("open", "each")[0] == Exit.DONE
    assert place.do("step", "each", 0)[0] == Exit.DONE
    asyncio.run(people.cancel(place.ledger(), place.run, "bo", utc_now().isoformat()))
    assert [place.do(*command)[0] for command in commands] == [Exit.CANCELLED] * len(commands)
    (whole,) = place.view().steps
    assert (whole.phase, [item.phase for item in whole.items]) == ("Cancelled", ["Succeeded", "Cancelled"])


def test_what_is_wrong_with_a_start_is_said_in_a_line(place):
    place.submit("    a: { script: { run: echo } }\n")
    assert place.do("step", "b") == (Exit.REFUSED, "error: the plan has no step `b`\n")
    place.run = "r-other"
    code, said = place.do("step", "a")
    assert (code, said) == (Exit.REFUSED, f"error: there is no run r-other at {place.address}\n")


def test_a_program_that_is_started_for_another_plan_touches_nothing_of_the_run(place):
    place.submit("    a: { script: { run: echo } }\n")
    own = plan_digest(asyncio.run(place.ledger().plan(place.run)))
    place.plan = "sha256:" + "0" * 64
    for command in (("step", "a"), ("end",)):
        code, said = place.do(*command)
        assert (code, said.startswith(f"error: {place.run} is a run of the plan {own}, and")) == (Exit.REFUSED, True)
    assert place.view().phase == "Pending"
    place.plan = own
    assert place.do("step", "a")[0] == Exit.DONE


def test_a_process_that_is_told_to_stop_leaves_its_step_to_the_next_one_at_once(place):
    place.submit(
        "    slow: { script: { run: 'echo \"attempt $SOMAGENT_ATTEMPT\"; [ $SOMAGENT_ATTEMPT = 2 ] || sleep 60' } }\n"
    )
    first = place.start("step", "slow")
    assert first.stdout.readline() == "attempt 1\n"
    first.terminate()
    first.communicate(timeout=30)
    assert first.returncode == Exit.STOPPED not in FOR_GOOD
    assert place.do("step", "slow") == (Exit.DONE, "attempt 2\n")
    history = place.view().steps[0].history
    assert [one.failure and one.failure.message for one in history] == ["it was stopped before it was done", None]


def test_a_process_that_is_bound_ends_with_whoever_started_it(place):
    place.submit("    slow: { script: { run: echo at work; sleep 60 } }\n")
    process = place.start("--bound", "step", "slow", stdin=subprocess.PIPE)
    assert process.stdout.readline() == "at work\n"
    process.communicate(timeout=30)  # closes its standard input, as the system does it for who was killed
    assert process.returncode == Exit.STOPPED


def test_a_step_that_is_stopped_with_its_run_is_cancelled(place):
    place.submit("    slow: { script: { run: echo at work; sleep 60 } }\n")
    process = place.start("step", "slow")
    assert process.stdout.readline() == "at work\n"
    asyncio.run(people.cancel(place.ledger(), place.run, "bo", utc_now().isoformat()))
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == Exit.CANCELLED
    (step,) = place.view().steps
    assert (step.phase, step.failure.message) == ("Cancelled", "cancelled by bo")


def test_a_final_step_whose_pod_is_taken_away_is_run_by_the_next_one_also_when_the_run_is_cancelled(place):
    place.submit(
        """\
    a: { script: { run: echo no } }
  finally:
    tidy: { script: { run: 'echo "attempt $SOMAGENT_ATTEMPT"; [ $SOMAGENT_ATTEMPT = 2 ] || sleep 60' } }
"""
    )
    asyncio.run(people.cancel(place.ledger(), place.run, "bo", utc_now().isoformat()))
    process = place.start("step", "tidy")
    assert process.stdout.readline() == "attempt 1\n"
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == Exit.STOPPED
    assert place.do("step", "tidy") == (Exit.DONE, "attempt 2\n")


WAS = "${{ run.phase }} ${{ steps.a.status }} ${{ steps.b.status }}"
FINALS = {
    "a step": f"script: {{ run: 'echo $WAS', env: {{ WAS: '{WAS}' }} }}",
    "items": """\
forEach: "${{ [run.phase, steps.a.status, steps.b.status] }}"
      script: { run: 'echo $WAS', env: { WAS: '${{ item }}' } }""",
    "a capsule": f"capsule: {{ use: part, with: {{ was: '{WAS}' }} }}",
}
PART = """\
  inputs: { was: { type: string } }
  steps: { tell: { script: { run: 'echo $WAS', env: { WAS: '${{ inputs.was }}' } } } }
"""


@pytest.mark.parametrize(
    ("final", "commands"),
    [
        ("a step", [("", "step", "tell")]),
        ("items", [("", "open", "tell"), *(("", "step", "tell", item) for item in range(3)), ("", "close", "tell")]),
        ("a capsule", [("", "open-run", "tell"), (".tell", "step", "tell")]),
    ],
)
def test_a_final_step_sees_what_no_engine_came_to(place, final, commands):
    place.submit(
        f"""\
    a: {{ script: {{ run: exit 1 }} }}
    b: {{ needs: [a], script: {{ run: "true" }} }}
  uses: {{ capsules: {{ part: ./part.capsule.yaml }} }}
  finally:
    tell:
      {FINALS[final]}
""",
        part=PART,
    )
    assert place.do("step", "a")[0] == Exit.FAILED
    came = [place.do(*words, run=place.run + inside) for inside, *words in commands]
    assert [code for code, _ in came] == [Exit.DONE] * len(commands), came
    assert " ".join("".join(said for _, said in came).split()) == "Failed Failed Omitted"
    assert place.do("end")[0] == Exit.FAILED


def test_to_look_again_before_anybody_has_decided_is_no_other_attempt(place):
    place.submit("    gate: { review: { title: Go on?, reviewers: { count: 2 } } }\n")
    for _ in range(2):
        assert place.do("step", "gate")[0] == Exit.DONE
        assert place.answer("phase") == "Waiting"
    place.decide("gate", "bo")
    assert place.do("step", "gate")[0] == Exit.DONE
    assert place.answer("phase") == "Waiting"
    place.decide("gate", "eve")
    assert place.do("step", "gate")[0] == Exit.DONE
    assert place.answer("phase") == "Succeeded"
    assert len(place.view().steps[0].history) == 2


def test_a_run_whose_time_is_used_up_is_cut_off_but_for_its_finally(place):
    place.submit(
        """\
    slow: { script: { run: sleep 30 } }
    after: { needs: [slow], script: { run: echo after } }
  finally:
    tidy: { script: { run: sleep 1.2 } }
  budget: { wallClock: 1s }
"""
    )
    assert place.do("step", "slow")[0] == Exit.FAILED
    assert place.do("step", "after")[0] == Exit.OMITTED
    assert place.do("step", "tidy")[0] == Exit.DONE
    place.do("end")
    view = place.view()
    assert [(step.phase, step.attempts) for step in view.steps] == [("Failed", 1), ("Omitted", 0), ("Succeeded", 1)]
    assert view.failure.message == "step `slow`: the run's budget of wallClock 1s is used up"


def test_the_last_step_ends_the_run_and_fails_where_the_run_does(place):
    place.submit(
        """\
    make: { script: { run: 'echo "zero=0" >> "$SOMAGENT_OUTPUT"' }, outputs: { zero: { type: integer } } }
    beside: { script: { run: "true" } }
  outputs: { ratio: "${{ 10 / steps.make.zero }}" }
"""
    )
    assert place.do("--ends-run", "step", "beside")[0] == Exit.DONE
    assert place.view().ended_at is None
    assert place.do("--ends-run", "step", "make") == (Exit.FAILED, "")
    assert (
        place.reason() == "output `ratio`: `10 / steps.make.zero` has no value: division by zero; steps.make.zero is 0"
    )
    view = place.view()
    assert (view.phase, [step.phase for step in view.steps]) == ("Failed", ["Succeeded", "Succeeded"])
    assert place.do("end")[0] == Exit.FAILED


def test_a_step_that_goes_well_is_not_called_failed_where_it_ends_a_run_that_failed(place):
    place.submit("    bad: { script: { run: exit 3 } }\n    good: { script: { run: 'true' } }\n")
    assert place.do("--ends-run", "step", "bad")[0] == Exit.FAILED
    assert place.do("--ends-run", "step", "good")[0] == Exit.DONE
    assert (place.answer("summary"), place.view().phase) == ("Succeeded", "Failed")


def test_what_a_step_at_work_writes_is_kept_outlives_its_process_and_goes_with_its_run(place):
    place.submit("    slow: { script: { run: 'echo begun; sleep 60' } }\n")
    process = place.start("step", "slow")
    until = time.monotonic() + 20
    while not (said := place.logs()) and time.monotonic() < until:
        time.sleep(0.2)
    assert said == ["begun\n"]
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert place.logs() == ["begun\n"]
    assert place.do("end")[0] == Exit.FAILED
    ledger = ObjectLedger(place.bucket, place.ledger().contents, lambda: utc_now() + timedelta(hours=2))
    assert asyncio.run(prune(ledger, ledger.now())).runs == [place.run]
    assert asyncio.run(place.bucket.names("runs")) == []


def test_the_log_is_whole_when_the_attempt_has_ended(place):
    place.submit("    slow: { script: { run: 'echo begun; sleep 6; echo done' } }\n")
    assert place.do("step", "slow")[0] == Exit.DONE
    assert place.logs() == ["begun\ndone\n"]


def test_what_a_step_was_given_is_made_again_of_what_is_at_the_store(place):
    place.submit(
        """\
    big:
      script: { run: 'printf "text=%0100000d\\n" 7 >> "$SOMAGENT_OUTPUT"' }
      outputs: { text: { type: string } }
    bad: { script: { run: exit 3, env: { TEXT: "${{ steps.big.text }}" } } }
"""
    )
    assert [place.do("step", step)[0] for step in ("big", "bad")] == [Exit.DONE, Exit.FAILED]
    view = place.view()
    making = given_to(view, view.steps[1], place.ledger().contents)
    with pytest.raises(StopIteration) as made:
        making.send(None)  # by no event loop, as reports do
    assert made.value.value["env"]["TEXT"] == f"{7:0100000d}"
