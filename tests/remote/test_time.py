"""Time at work under budgets and deadlines: counted while somebody works, whoever that is and however it ends."""

from __future__ import annotations

import os
import signal
import time

import pytest
from bucket_place import Place

from somagent.workflows.engines.remote.exits import Exit

USES = "  uses: { capsules: { part: ./part.capsule.yaml } }\n"


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def killed(place, *words, run=""):
    """The step prints that it is at work, and then its process is killed."""
    process = place.start(*words, run=run)
    assert process.stdout.readline() == "at work\n"
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_the_time_after_a_death_uses_nothing_up_while_nobody_has_gone_on_yet(place):
    place.submit("""\
    a: { script: { run: 'echo at work; [ $SOMAGENT_ATTEMPT = 2 ] || sleep 60' } }
    b: { script: { run: echo b } }
  budget: { wallClock: 3s }
""")
    killed(place, "step", "a")
    time.sleep(3.5)
    assert place.do("step", "b") == (Exit.DONE, "b\n")
    assert place.do("step", "a") == (Exit.DONE, "at work\n")
