"""In a terminal people are asked where they are, and Ctrl-C always works."""

import re
from collections.abc import Callable

import pytest
from somagent_shell import Shell
from terminal import Terminal

NAP = "  steps:\n    nap: { script: { run: sleep 1 } }\n    then: { needs: [nap], script: { run: echo then } }\n"


def test_a_run_that_waits_asks_on_the_spot_and_goes_on(somagent: Shell, gated: str) -> None:
    with Terminal(somagent, "run", gated) as screen:
        screen.until("? Go on?  (step ask)\n    asked 20")
        screen.until("    forty-two\n  approve, reject or later? [a/r/L] ")
        screen.type("what\n")
        screen.until("what\n  approve, reject or later? [a/r/L] ")
        screen.type("a\n")
        assert screen.ended() == 0
    assert "answer = 42\n" in screen.text
    assert somagent("show", "last", "--output", "json").json["decisions"][0]["approve"] is True


def test_an_answer_may_wait(somagent: Shell, gated: str) -> None:
    with Terminal(somagent, "run", gated) as screen:
        screen.until("[a/r/L] ")
        screen.type("\n")
        assert screen.ended() == 3
    assert "decide: somagent approve r-" in screen.text


def test_ctrl_c_at_a_question_ends_the_command_and_not_the_run(somagent: Shell, gated: str) -> None:
    with Terminal(somagent, "run", gated) as screen:
        screen.until("[a/r/L] ")
        screen.ctrl_c()
        assert screen.ended() == 130
    assert "stopped; nothing recorded is lost; go on with `somagent resume r-" in screen.text
    assert somagent("show", "last", "--output", "json").json["phase"] == "Waiting"


def test_who_may_not_decide_is_not_asked(somagent: Shell) -> None:
    name = somagent.capsule(
        "others", "  steps:\n    ask: { review: { title: 'Go on?', reviewers: { users: [nobody-here] } } }\n"
    )
    with Terminal(somagent, "run", name) as screen:
        assert screen.ended() == 3
    assert "is not among the reviewers: nobody-here" in screen.text
    assert "[a/r/L]" not in screen.text


def test_an_interrupted_run_is_offered_and_gone_on_with(somagent: Shell) -> None:
    name = somagent.capsule("nap", NAP)
    with Terminal(somagent, "run", name) as screen:
        screen.until("Running")
        screen.ctrl_c()
        assert screen.ended() == 130
    with Terminal(somagent, "run", name) as screen:
        screen.until("was interrupted; go on with it? [Y/n] ")
        screen.ctrl_c()
        assert screen.ended() == 130
    with Terminal(somagent, "run", name) as screen:
        screen.until("was interrupted; go on with it? [Y/n] ")
        screen.type("\n")
        assert screen.ended() == 0
    assert [run["phase"] for run in somagent("runs", "--output", "json").json] == ["Succeeded"]


STUBBORN = """\
  steps:
    a: { script: { run: "trap '' TERM; touch ../../begun; for _ in $(seq 100); do sleep 0.1; done" } }
"""


def test_while_a_script_takes_its_time_to_stop_ctrl_c_says_what_is_waited_for(
    somagent: Shell, wait_until: Callable[[Callable[[], bool]], None]
) -> None:
    with Terminal(somagent, "run", somagent.capsule("stubborn", STUBBORN)) as screen:
        wait_until(lambda: any((somagent.folder / ".somagent").rglob("begun")))
        screen.ctrl_c()
        screen.until("stopping; waits for a to end; Ctrl-C again kills what is at work")
        screen.ctrl_c()
        assert screen.ended() == 130
    assert "stopped; nothing recorded is lost; go on with `somagent resume r-" in screen.text
    assert somagent("show", "last", "--output", "json").json["phase"] == "Pending"


def test_the_live_table_shows_what_is_at_work(somagent: Shell) -> None:
    with Terminal(somagent, "run", somagent.capsule("nap", NAP)) as screen:
        screen.until("▸  nap   script  Running")
        assert screen.ended() == 0
    assert "2/2 steps" in screen.text


FLAKY = """\
  steps:
    flaky:
      retry: { attempts: 2, backoff: 3s, failures: [error] }
      script: { run: 'test "$SOMAGENT_ATTEMPT" = 2' }
    next: { needs: [flaky], script: { run: echo next } }
"""


def test_what_a_step_waits_for_is_shown_while_a_run_goes_on(somagent: Shell) -> None:
    with Terminal(somagent, "run", somagent.capsule("flaky", FLAKY)) as screen:
        screen.until("after flaky")
        screen.until("again in 2.")
        assert screen.ended() == 0


LIMITS = """\
apiVersion: somagent.io/v1alpha1
kind: Limits
spec:
  operators: { script: { maxParallel: 1 } }
"""
RIVALS = """\
  steps:
    build: { script: { run: 'for _ in $(seq 600); do [ ! -e GO ] || break; sleep 0.05; done' } }
    test: { script: { run: 'true' } }
    then: { needs: [test], script: { run: 'true' } }
"""


@pytest.mark.parametrize("columns", [80, 200])
def test_a_step_that_waits_for_what_is_limited_says_for_what_and_who_has_it(somagent: Shell, columns: int) -> None:
    somagent.write(".somagent/limits.yaml", LIMITS)
    go = somagent.folder / "go"
    name = somagent.capsule("rivals", RIVALS.replace("GO", str(go)))
    with Terminal(somagent, "run", name, columns=columns) as screen:
        screen.until("waits for operators.script, which build has")
        shown = somagent("show", "last").out
        watched = [line.split(maxsplit=4)[-1] for line in shown.splitlines() if "Pending" in line]
        assert watched == ["waits for operators.script, which build has", "after test"]
        go.touch()
        assert screen.ended() == 0


LONG = """\
  steps:
    measure_the_whole_dataset: { script: { run: 'echo bad data >&2; exit 3' } }
    ask_somebody_who_knows_it: { review: { title: 'Shall the whole of it go on?' } }
"""
NARROW = {
    40: """\
   STEP                       PHASE
✗  measure_the_whole_dataset  Failed
     exit code 3: bad data
?  ask_somebody_who_knows_it  Waiting
     Shall the whole of it go on?
""",
    60: """\
   STEP                       PHASE    ATTEMPTS  NOTE
✗  measure_the_whole_dataset  Failed          1  exit code
                                                 3: bad data
?  ask_somebody_who_knows_it  Waiting         1  Shall the
                                                 whole of it
                                                 go on?
""",
    66: """\
   STEP                       PHASE    ATTEMPTS  NOTE
✗  measure_the_whole_dataset  Failed          1  exit code 3: bad
                                                 data
?  ask_somebody_who_knows_it  Waiting         1  Shall the whole
                                                 of it go on?
""",
    80: """\
   STEP                       PHASE    ATTEMPTS  TIME  VERDICT  NOTE
✗  measure_the_whole_dataset  Failed          1  0.0s  audit    exit code 3: bad
                                                                data
?  ask_somebody_who_knows_it  Waiting         1        allow    Shall the whole
                                                                of it go on?
""",
}


def test_a_narrow_terminal_shows_of_each_step_what_counts(somagent: Shell) -> None:
    somagent("run", somagent.capsule("long", LONG))
    for columns, table in NARROW.items():
        with Terminal(somagent, "show", "last", columns=columns) as screen:
            assert screen.ended() == 0
        shown = "".join(f"{line.rstrip()}\n" for line in screen.text.splitlines())
        assert table in re.sub(r"\d\.\ds  ", "0.0s  ", shown)
