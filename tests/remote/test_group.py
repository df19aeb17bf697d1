"""Steps that share a program are run, tried again, recorded and told of as each would be by itself."""

from __future__ import annotations

import signal

import pytest
from bucket_place import Place

from somagent.workflows.engines.remote.exits import Exit

STEPS = """\
    make: { script: { run: 'echo made; echo "word=hi" >> "$SOMAGENT_OUTPUT"' }, outputs: { word: { type: string } } }
    again:
      needs: [make]
      retry: { attempts: 3, backoff: 10ms }
      script: { run: 'test "$SOMAGENT_ATTEMPT" = 2 || exit 75; echo "$WORD"', env: { WORD: "${{ steps.make.word }}" } }
    bad: { needs: [make], script: { run: "echo no >&2; exit 3" } }
    never: { needs: [bad], script: { run: echo never } }
    other: { needs: [again], if: steps.make.word == "x", script: { run: echo skipped } }
"""


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_each_has_its_own_attempts_record_and_log(place):
    place.submit(STEPS)
    code, printed = place.do("group", "make again bad never other")
    assert code == Exit.FAILED
    assert place.answer("phase") == "Failed"
    summary = place.answer("summary")
    assert summary.startswith(
        "make Succeeded; again Succeeded; bad Failed; never Omitted; other Skipped; bad: exit code 3"
    )
    assert {"made", "hi", "no"} <= set(printed.splitlines())
    assert place.do("group", "make again bad never other")[0] == Exit.FAILED  # nothing runs again
    assert place.do("end")[0] == Exit.FAILED
    steps = {step.id: step for step in place.view().steps}
    phases = {name: (step.phase, step.attempts) for name, step in steps.items()}
    assert phases == {
        "make": ("Succeeded", 1),
        "again": ("Succeeded", 2),
        "bad": ("Failed", 1),
        "never": ("Omitted", 0),
        "other": ("Skipped", 0),
    }
    assert [one.failure and one.failure.failure_class for one in steps["again"].history] == ["transient", None]


def test_what_needs_nothing_of_the_others_runs_beside_them(place):
    meet = "touch {0}; until test -e {1}; do sleep 0.05; done"
    one, two = place.folder / "one", place.folder / "two"
    place.submit(
        f"    a: {{ timeout: 20s, script: {{ run: '{meet.format(one, two)}' }} }}\n"
        f"    b: {{ timeout: 20s, script: {{ run: '{meet.format(two, one)}' }} }}\n"
    )
    assert place.do("group", "a b")[0] == Exit.DONE


def test_one_that_is_stopped_leaves_the_rest_to_whoever_goes_on(place):
    place.submit(
        '    a: { script: { run: "true" } }\n    b: { needs: [a], script: { run: "echo at work; sleep 60" } }\n'
    )
    process = place.start("group", "a b")
    assert process.stdout is not None
    while process.stdout.readline() != "at work\n":
        pass
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == Exit.STOPPED
    process.communicate()
    assert [step.phase for step in place.view().steps] == ["Succeeded", "Pending"]


def test_a_step_that_asks_people_says_that_it_cannot_share(place):
    place.submit('    ask: { review: { title: "Well?" } }\n    b: { script: { run: "true" } }\n')
    code, said = place.do("group", "ask b")
    assert (code, said) == (
        Exit.REFUSED,
        "error: step `ask` asks people, and cannot share a pod; emit it with `fuse` off\n",
    )
    assert place.do("group", "a b") == (Exit.REFUSED, "error: the plan has no step `a`\n")
