"""The judge of runs in a cluster that is harmed finds what is wrong, and nothing where all is right."""

from __future__ import annotations

import copy
import random
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))
from drawn import Drawn, Want, draw_capsule
from listener import SCRIPT, Listener
from verdict import FAULTS, Agreed, Harm, Verdict

RUN = "r-1"
Mark = dict[str, Any]


class History:
    """Step `a` fails once, is repeated after its pod was deleted, and is read by `b` after a gate; then `tidy`."""

    def __init__(self) -> None:
        self.drawn = Drawn("", random.Random(0))
        self.drawn.places = {
            "/a": Want(failures=1),
            "/b": Want(needs=["/a"], after=["gate"]),
            "/tidy": Want(final=True),
        }
        self.drawn.gates = {"gate": 1}
        self.marks = [
            _mark(1, "a", "begin", inputs=[]),
            _mark(2, "a", "failed"),
            _mark(3, "a", "begin", inputs=[]),
            _mark(5, "a", "begin", inputs=[]),
            _mark(6, "a", "end", value="v1"),
            _mark(8, "b", "begin", inputs=["v1"]),
            _mark(9, "b", "end", value="v2"),
            _mark(10, "tidy", "begin", inputs=[]),
            _mark(11, "tidy", "end", value="v3"),
        ]
        self.harms = [Harm("pod deleted at work", "pod", 4, 4)]
        self.agreed = [Agreed("gate", "bo", 7)]
        self.shown: dict[str, Any] = {
            "id": RUN,
            "phase": "Succeeded",
            "decisions": [{"step": "gate", "by": "bo"}],
            "steps": {name: _step(value) for name, value in (("a", "v1"), ("b", "v2"), ("tidy", "v3"))},
        }

    def judged(self) -> Verdict:
        return Verdict(self.drawn, self.shown, copy.deepcopy(self.marks), self.harms, self.agreed)


def _mark(at: float, step: str, what: str, **more: Any) -> Mark:
    return {"at": at, "key": f"{RUN}/{step}", "what": what, "host": "pod-of-it", **more}


def _step(value: str) -> Mark:
    return {"phase": "Succeeded", "outputs": {"value": value}}


def test_a_run_that_came_out_as_if_nothing_had_happened_has_no_fault() -> None:
    verdict = History().judged()
    assert (verdict.faults, verdict.repeats) == ([], 1)


def _lost_step(history: History) -> None:
    history.shown["steps"]["b"]["phase"] = "Omitted"


def _lost_decision(history: History) -> None:
    history.shown["decisions"].clear()


def _recorded_run_again(history: History) -> None:
    history.marks.insert(6, _mark(8.5, "a", "begin", inputs=[]))


def _of_no_attempt(history: History) -> None:
    history.shown["steps"]["tidy"]["outputs"]["value"] = "v9"


def _read_otherwise(history: History) -> None:
    history.marks[5]["inputs"] = ["v0"]


def _two_at_once(history: History) -> None:
    history.marks.insert(3, _mark(5, "a", "clash"))


def _one_failure_more(history: History) -> None:
    history.marks.insert(3, _mark(3.5, "a", "failed"))


def _without_people(history: History) -> None:
    history.agreed = [Agreed("gate", "bo", 8.5)]


def _other_phase(history: History) -> None:
    history.shown["phase"] = "Failed"


def _finally_first(history: History) -> None:
    history.marks[7]["at"] = 8.7


def _without_harm(history: History) -> None:
    history.harms.clear()


DAMAGES = [
    ("lost", _lost_step),
    ("lost", _lost_decision),
    ("recorded run again", _recorded_run_again),
    ("wrong value", _of_no_attempt),
    ("wrong value", _read_otherwise),
    ("duplicate owner", _two_at_once),
    ("too many attempts", _one_failure_more),
    ("gate too early", _without_people),
    ("wrong end", _other_phase),
    ("wrong end", _finally_first),
    ("repeated for nothing", _without_harm),
]


@pytest.mark.parametrize(("kind", "damage"), DAMAGES, ids=lambda one: getattr(one, "__name__", one))
def test_what_is_wrong_is_found(kind: str, damage: Callable[[History], None]) -> None:
    history = History()
    damage(history)
    assert kind in {fault.kind for fault in history.judged().faults}


@pytest.mark.parametrize(
    ("harm", "faults"),
    [
        (Harm("store away for 30 s", "server", 3.1, 3.6), []),
        (Harm("pod deleted at work", "pod-of-it-with-more", 4, 4), []),
        (Harm("store away for 30 s", "server", 3.1, 3.4), ["too many attempts"]),
        (Harm("pod deleted at work", "pod-of-another", 4, 4), ["too many attempts"]),
    ],
)
def test_a_failure_that_could_not_be_recorded_is_none_of_those_that_are_retried(harm: Harm, faults: list[str]) -> None:
    history = History()
    _one_failure_more(history)
    history.harms = [harm]
    assert [fault.kind for fault in history.judged().faults] == faults


def test_each_kind_of_fault_is_tried() -> None:
    assert {kind for kind, _ in DAMAGES} == FAULTS.keys()


def test_capsules_that_are_drawn_are_accepted(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("somagent")
    drawn = []
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        drawn.append(draw_capsule(random.Random(number), "127.0.0.1:9").write(folder))
    done = subprocess.run([command, "check", *drawn], capture_output=True, text=True, check=False)
    assert "error" not in done.stdout + done.stderr
    assert done.returncode == 0


def test_a_step_is_heard_and_told_to_fail_and_two_at_once_are_noticed(tmp_path: Path) -> None:
    listener = Listener(tmp_path / "marks", "127.0.0.1")
    listener.expect({f"{RUN}/a": 1})
    environment = {"JUDGE": listener.address, "SECONDS_AT_WORK": "0", "INPUTS": "[]", "SOMAGENT_ATTEMPT": "1"}
    environment |= {
        "SOMAGENT_IDEMPOTENCY_KEY": f"{RUN}/a",
        "SOMAGENT_OUTPUT": str(tmp_path / "out"),
        "PATH": "/usr/bin:/bin",
    }
    try:
        codes = [subprocess.run(["bash", "-c", SCRIPT], env=environment, check=False).returncode for _ in range(2)]
        host, _, port = listener.address.partition(":")
        with socket.create_connection((host, int(port))) as first:  # at work for as long as it is open
            first.sendall(f'{{"what": "begin", "key": "{RUN}/a", "attempt": 3, "inputs": []}}\n'.encode())
            assert first.recv(10) == b"go\n"
            subprocess.run(["bash", "-c", SCRIPT], env=environment, check=True)
    finally:
        listener.close()
    assert codes == [75, 0]
    said = [mark["what"] for mark in listener.of(RUN)]
    assert said == ["begin", "failed", "begin", "end", "begin", "clash", "begin", "end"]
    written = (tmp_path / "marks").read_text(encoding="utf-8").splitlines()
    assert len(written) == len(said)
