"""What a deadline around a capsule does to what is inside, where one task does all of it: `finally` is not cut off."""

from __future__ import annotations

import pytest
from bucket_place import Place

from somagent.workflows.engines.remote.exits import Exit

USES = "  uses: { capsules: { part: ./part.capsule.yaml } }\n"
QUICK = """\
  steps: { quick: { script: { run: echo quick } } }
  finally: { tidy: { script: { run: 'echo tidies; sleep 1.2; echo tidied' } } }
"""


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def phases(steps):
    """By step, those inside after the one that they are in, with how often each was tried."""
    found = {}
    for step in steps:
        found[step.id] = (step.phase, step.attempts)
        found |= phases(step.inner.steps) if step.inner is not None else {}
    return found


def test_a_capsule_in_finally_runs_at_the_deadline_of_the_one_around_it(place):
    place.submit(
        "    part: { timeout: 1s, capsule: { use: part } }\n" + USES,
        part="""\
  uses: { capsules: { leaf: ./leaf.capsule.yaml } }
  steps: { slow: { script: { run: sleep 60 } } }
  finally: { tidy: { capsule: { use: leaf } } }
""",
        leaf="  steps: { clean: { script: { run: echo cleaned } } }\n",
    )
    assert place.do("step", "part") == (Exit.FAILED, "cleaned\n")
    assert phases(place.view().steps) == {
        "part": ("Failed", 1),
        "slow": ("Failed", 1),
        "tidy": ("Succeeded", 1),
        "clean": ("Succeeded", 1),
    }


@pytest.mark.parametrize(
    ("limit", "budget"),
    [("timeout: 1s, ", ""), ("budget: { wallClock: 1s }, ", ""), ("", "  budget: { wallClock: 1s }\n")],
)
def test_finally_of_the_inmost_capsule_is_run_once_whatever_time_is_used_up_around_it(place, limit, budget):
    place.submit(
        f"    part: {{ {limit}capsule: {{ use: part }} }}\n" + USES + budget,
        part="  uses: { capsules: { leaf: ./leaf.capsule.yaml } }\n  steps: { inner: { capsule: { use: leaf } } }\n",
        leaf=QUICK,
    )
    assert place.do("step", "part") == (Exit.DONE, "quick\ntidies\ntidied\n")
    assert set(phases(place.view().steps).values()) == {("Succeeded", 1)}


def test_finally_that_asks_after_the_budget_of_its_capsule_is_used_up_goes_on_with_the_answer(place):
    place.submit(
        "    part: { budget: { wallClock: 1s }, capsule: { use: part } }\n" + USES,
        part="""\
  steps: { slow: { script: { run: sleep 60 } } }
  finally:
    gate: { review: { title: "Tidy?" } }
    after: { script: { run: echo after } }
""",
    )
    assert place.do("step", "part")[0] == Exit.DONE
    place.decide("gate", "bo", run=f"{place.run}.part")
    code, said = place.do("step", "part")
    assert (code, said.endswith("after\n")) == (Exit.FAILED, True)
    (part,) = place.view().steps
    assert part.failure.message.startswith(
        "budget `part` of wallClock 1s is used up: capsule `part`: step `slow`: cut off"
    )
    assert [step.phase for step in part.inner.steps] == ["Failed", "Succeeded", "Succeeded"]
