"""Cases that do not end, that fail for reasons of their own, that are stopped, and that run beside each other."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from captests import HEAD
from somagent_shell import Shell

SLOW = """\
  inputs: { seconds: { type: integer, default: 0 } }
  steps:
    wait:
      script:
        env: { SECONDS_TO_WAIT: "${{ inputs.seconds }}", PIDS: HERE }
        run: |
          echo $$ >> "$PIDS/pids"; echo waiting
          sleep "$SECONDS_TO_WAIT"
          echo "it is broken" >&2; exit 1
"""


def slow(somagent: Shell, cases: str) -> None:
    somagent.capsule("slow", SLOW.replace("HERE", str(somagent.folder)))
    somagent.write("tests/slow.yaml", HEAD + cases)


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_a_case_that_does_not_end_is_stopped_and_fails_and_the_next_one_runs(somagent: Shell) -> None:
    slow(
        somagent,
        """\
    - { name: never, inputs: { seconds: 1000 }, timeout: 1s, expect: { phase: Failed } }
    - { name: next, expect: { phase: Failed } }
""",
    )
    ended = somagent("test")
    assert ended.code == 1
    assert "tests/slow.yaml:6: it had not ended after 1s, and was stopped; at work: `wait`" in ended.out
    assert "1 passed, 1 failed" in ended.out
    assert not any(map(is_running, map(int, (somagent.folder / "pids").read_text().split())))


def test_what_a_failed_step_wrote_is_shown_for_the_case_that_fails(somagent: Shell) -> None:
    slow(somagent, "    - { name: a, expect: { phase: Succeeded } }\n    - { name: b, expect: { phase: Failed } }\n")
    ended = somagent("test")
    assert ended.code == 1
    assert "       note: the last lines of `wait`:\n         waiting\n         it is broken\n" in ended.out
    assert ended.out.count("it is broken") == 2  # the failure says it too, and the case that passes says nothing


def test_ctrl_c_stops_what_is_at_work_and_leaves_nothing_behind(somagent: Shell, tmp_path: Path) -> None:
    slow(somagent, "    - { name: a, inputs: { seconds: 1000 }, expect: { phase: Failed } }\n")
    pids = somagent.folder / "pids"
    os.mkfifo(pids)
    process = somagent.start("test")
    with pids.open() as started:  # opens when the step does
        pid = int(started.readline())
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "stopped after 0 cases; nothing is left behind\n")
    assert "Traceback" not in out
    assert not is_running(pid)


def test_two_may_test_at_the_same_time(somagent: Shell) -> None:
    slow(somagent, "    - { name: a, expect: { phase: Failed } }\n    - { name: b, expect: { phase: Failed } }\n")
    both = [somagent.start("test"), somagent.start("test")]
    for process in both:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        assert "2 passed" in out


INNER = "  steps:\n    look: { script: { run: 'true' } }\n"
OUTER = "  uses: { capsules: { scan: ./inner.capsule.yaml } }\n  steps:\n    scan: { capsule: { use: scan } }\n"
RULES = """\
apiVersion: somagent.io/v1alpha1
kind: Constitution
metadata: { name: rules }
spec:
  version: 1.0.0
  steps: allow
  rules:
    - { id: ask, scope: step, effect: require_review, when: step.operator == "capsule", because: people look at those }
"""


def test_the_constitution_judges_an_answered_capsule_step_as_a_real_one(somagent: Shell) -> None:
    somagent.capsule("inner", INNER)
    somagent.capsule("outer", OUTER)
    somagent.write("rules.constitution.yaml", RULES)
    cases = "    - { name: real, expect: EXPECT }\n    - { name: answered, answers: ANSWERS, expect: EXPECT }\n"
    expect = "{ phase: Waiting, steps: { scan: { verdict: require_review } } }"
    somagent.write(
        "tests/outer.yaml", HEAD + cases.replace("EXPECT", expect).replace("ANSWERS", "{ scan: { outputs: {} } }")
    )
    ended = somagent("test", "--constitution", "rules.constitution.yaml")
    assert ended.code == 0, ended


def test_a_capsule_inside_a_capsule_can_be_answered_for(somagent: Shell) -> None:
    somagent.capsule("inner", "  steps:\n    look: { script: { run: exit 1 } }\n")
    somagent.capsule("middle", OUTER)
    somagent.capsule("outer", OUTER.replace("inner", "middle"))
    somagent.write(
        "tests/outer.yaml",
        HEAD
        + "    - { name: a, answers: { scan/scan: { outputs: {} } }, expect: { phase: Succeeded } }\n"
        + "    - { name: b, expect: { phase: Failed, steps: { scan/scan/look: { failure: error } } } }\n",
    )
    ended = somagent("test", "outer.capsule.yaml")
    assert ended.code == 0, ended
    assert "ok   a " in ended.out
    assert "answered: scan/scan" in ended.out


MANY = """\
  steps:
    make:
      forEach: "${{ ['a', 'b'] }}"
      script: { run: 'printf %s "$X" > f.txt', env: { X: "${{ item }}" } }
      outputs: { file: { type: artifact, path: f.txt } }
  outputs:
    files: ${{ steps.make.map(m, m.file) }}
    named: "${{ {'first': steps.make[0].file} }}"
"""
READING = """\
  uses: { capsules: { scan: ./inner.capsule.yaml } }
  steps:
    scan: { capsule: { use: scan } }
    each:
      forEach: ${{ steps.scan.files }}
      script:
        run: echo "said=$(cat "$FILE" "$FIRST")" >> "$SOMAGENT_OUTPUT"
        env: { FILE: "${{ item }}", FIRST: "${{ steps.scan.named.first }}" }
      outputs: { said: { type: string } }
  outputs: { said: "${{ steps.each.map(e, e.said) }}", files: "${{ steps.scan.files }}" }
"""


def test_artifacts_in_lists_and_maps_go_out_of_a_capsule_and_can_be_answered_and_expected(somagent: Shell) -> None:
    somagent.capsule("inner", MANY)
    somagent.capsule("outer", READING)
    real = "{ said: [aa, ba], files: [{ text: a }, { text: b }] }"
    answer = "{ scan: { outputs: { files: [{ text: x }, { text: z }], named: { first: { text: '1' } } } } }"
    answered = "{ said: [x1, z1], files: [{ contains: x }, { text: z }] }"
    cases = f"    - {{ name: real, expect: {{ outputs: {real} }} }}\n"
    cases += f"    - {{ name: answered, answers: {answer}, expect: {{ outputs: {answered} }} }}\n"
    somagent.write("tests/outer.yaml", HEAD + cases)
    ended = somagent("test", "outer.capsule.yaml")
    assert ended.code == 0, ended
    somagent.write("tests/outer.yaml", HEAD + cases.replace("{ text: b }", "{ text: c }"))
    ended = somagent("test", "outer.capsule.yaml")
    assert "output `files.1`\n         expected: c\n         actual: b\n" in ended.out
    somagent.write("tests/outer.yaml", HEAD + cases.replace("{ text: z }], named", "z], named"))
    ended = somagent("test", "outer.capsule.yaml")
    assert "`1` is an artifact" in ended.err
