"""Runs from the command line: started, looked at, decided on, stopped and gone on with."""

import json
import os
import pwd
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable

import pytest
from somagent_shell import Shell

SILENT = "  steps:\n    a: { script: { run: 'true' } }\n"
Wait = Callable[[Callable[[], bool]], None]


def test_a_parked_run_exits_with_its_own_code_and_goes_on_when_approved(somagent: Shell, gated: str) -> None:
    parked = somagent("run", gated, "--output", "json")
    assert (parked.code, parked.json["phase"]) == (3, "Waiting")
    assert parked.json["steps"]["ask"]["waiting"]["title"] == "Go on?"
    assert parked.json["steps"]["after"] == {"phase": "Pending", "attempts": 0, "operator": "script"}
    approved = somagent("approve", parked.json["id"], "ask", "--as", "ann", "--comment", "fine", "--output", "json")
    assert (approved.code, approved.json["phase"], approved.json["outputs"]) == (0, "Succeeded", {"answer": 42})
    assert approved.json["steps"]["ask"]["outputs"] == {"decision": "approve", "by": ["ann"], "comment": "fine"}
    assert approved.json["steps"]["before"]["attempts"] == 1


def test_the_text_of_a_parked_run_says_how_to_decide(somagent: Shell, gated: str) -> None:
    parked = somagent("run", gated)
    run_id = somagent("runs", "--output", "json").json[0]["id"]
    assert parked.code == 3
    assert f"decide: somagent approve {run_id} ask --as NAME   (or reject)" in parked.out


def test_a_decision_can_be_written_down_without_going_on(somagent: Shell, gated: str) -> None:
    somagent("run", gated)
    assert somagent("approve", "last", "ask", "--as", "ann", "--no-resume").code == 0
    assert somagent("show", "last", "--output", "json").json["steps"]["after"]["phase"] == "Pending"
    resumed = somagent("resume", "last", "--output", "json")
    assert (resumed.code, resumed.json["phase"]) == (0, "Succeeded")


def test_a_rejected_run_fails_and_the_rejection_itself_succeeds(somagent: Shell, gated: str) -> None:
    somagent("run", gated)
    rejected = somagent("reject", "last", "ask", "--as", "bo", "--comment", "not today", "--output", "json")
    assert (rejected.code, rejected.json["phase"]) == (0, "Failed")
    assert rejected.json["steps"]["ask"]["failure"]["message"] == "rejected by bo: not today"
    assert rejected.json["steps"]["after"]["phase"] == "Omitted"
    assert somagent("resume", "last").code == 1


def test_deciding_where_nobody_is_asked_is_refused_with_the_reason(somagent: Shell, gated: str) -> None:
    somagent("run", gated)
    wrong = somagent("approve", "last", "before", "--as", "ann")
    assert wrong.code == 2
    assert "before" in wrong.err
    assert somagent("approve", "last", "ask/x", "--as", "ann").code == 2
    assert somagent("approve", "last", "nothing", "--as", "ann").code == 2


def test_runs_are_listed_newest_first(somagent: Shell, gated: str) -> None:
    assert somagent("runs").out == "no runs here yet; `somagent run CAPSULE` starts one\n"
    assert somagent("runs", "--output", "json").json == []
    first = somagent("run", gated, "--output", "json").json["id"]
    somagent("new")
    second = somagent("run", "hello.capsule.yaml", "--output", "json").json["id"]
    listed = somagent("runs", "--output", "json").json
    assert [(one["id"], one["capsule"], one["phase"]) for one in listed] == [
        (second, "hello", "Succeeded"),
        (first, "gated", "Waiting"),
    ]


def test_a_run_is_found_by_the_beginning_of_its_id(somagent: Shell, gated: str) -> None:
    run_id = somagent("run", gated, "--output", "json").json["id"]
    assert somagent("show", run_id[:-1], "--output", "json").json["id"] == run_id
    unknown = somagent("show", "r-1999")
    assert (unknown.code, unknown.err) == (2, "error: there is no run `r-1999` here; `somagent runs` lists them\n")


def test_an_empty_id_names_no_run(somagent: Shell, gated: str) -> None:
    somagent("run", gated)
    empty = somagent("cancel", "")
    assert (empty.code, empty.err) == (2, "error: the id of the run is empty; `somagent runs` lists runs\n")
    assert somagent("runs", "--output", "json").json[0]["phase"] == "Waiting"


def test_a_limit_of_nothing_is_refused(somagent: Shell) -> None:
    for number in ("0", "-1"):
        refused = somagent("runs", f"--limit={number}")
        assert (refused.code, refused.err.splitlines()[0]) == (
            2,
            f"error: argument --limit: `{number}` is not a whole number from 1 on",
        )


def test_a_failed_run_exits_with_one_and_says_where_to_look(somagent: Shell) -> None:
    name = somagent.capsule("broken", "  steps:\n    boom: { script: { run: 'echo why >&2; exit 3' } }\n")
    failed = somagent("run", name)
    assert failed.code == 1
    assert "somagent logs" in failed.out
    assert somagent("logs", "last", "boom").out == "boom | why\n"
    assert somagent("logs", "last", "nope").code == 2
    silent = somagent("logs", somagent("run", somagent.capsule("silent", SILENT), "--output", "json").json["id"])
    assert (silent.code, silent.out, silent.err) == (0, "", "the run wrote nothing\n")


def test_a_retry_takes_over_what_succeeded(somagent: Shell) -> None:
    name = somagent.capsule(
        "mended",
        """\
  inputs: { flag: { type: string, format: path } }
  steps:
    once: { script: { run: 'echo "at=$(date +%N)" >> "$SOMAGENT_OUTPUT"' }, outputs: { at: { type: string } } }
    needs_flag:
      script: { run: 'test -e "$FLAG"; echo "$AT"', env: { FLAG: "${{ inputs.flag }}", AT: "${{ steps.once.at }}" } }
""",
    )
    failed = somagent("run", name, "--input", "flag=flag", "--output", "json").json
    assert failed["phase"] == "Failed"
    somagent.write("flag", "")
    again = somagent("retry", failed["id"], "--output", "json")
    assert (again.code, again.json["phase"]) == (0, "Succeeded")
    assert again.json["steps"]["once"]["outputs"] == failed["steps"]["once"]["outputs"]


def test_inputs_are_typed_and_every_mistake_is_said(somagent: Shell) -> None:
    name = somagent.capsule(
        "typed",
        """\
  inputs:
    word: { type: string, pattern: "^[a-z]+$" }
    size: { type: integer, minimum: 1, default: 3 }
    tags: { type: array, items: { type: string }, default: [] }
  steps:
    say:
      script:
        run: 'echo "said=$WORD $SIZE" >> "$SOMAGENT_OUTPUT"'
        env: { WORD: "${{ inputs.word }}", SIZE: "${{ inputs.size }}" }
      outputs: { said: { type: string } }
  outputs: { said: "${{ steps.say.said }}" }
""",
    )
    wrong = somagent("run", name, "--input", "word=A1", "--input", "size=0", "--input", "wrd=x")
    assert wrong.code == 2
    assert "the capsule has no input `wrd`; did you mean `word`?" in wrong.err
    assert "input `word`: " in wrong.err
    assert "input `size`: 0 is less than the minimum of 1\n" in wrong.err
    assert "input `word` is missing" in somagent("run", name).err
    assert "written as JSON" in somagent("run", name, "--input", "size=many").err
    assert somagent("runs", "--output", "json").json == []
    somagent.write("inputs.yaml", "word: file\nsize: 5\n")
    ran = somagent("run", name, "--inputs", "inputs.yaml", "--input", "word=line", "--output", "json")
    assert ran.json["outputs"] == {"said": "line 5"}
    assert somagent("run", name, "--inputs", "-", "--output", "json", stdin='{"word": "piped"}').json["outputs"] == {
        "said": "piped 3"
    }


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(somagent: Shell, wait_until: Wait) -> None:
    name = somagent.capsule(
        "long",
        """\
  steps:
    first: { script: { run: echo first } }
    second: { needs: [first], script: { run: sleep 60 } }
""",
    )
    process = somagent.start("run", name)
    wait_until(lambda: (somagent.folder / ".somagent" / "logs").exists() and b"first" in _logs(somagent))
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    run_id = somagent("runs", "--output", "json").json[0]["id"]
    assert process.returncode == 130
    assert err.endswith(f"stopped; nothing recorded is lost; go on with `somagent resume {run_id}`\n")
    assert "Traceback" not in out + err
    shown = somagent("show", run_id, "--output", "json").json
    assert shown["steps"]["first"]["phase"] == "Succeeded"
    assert shown["phase"] != "Failed"


def _logs(somagent: Shell) -> bytes:
    return b"".join(path.read_bytes() for path in (somagent.folder / ".somagent" / "logs").rglob("*.log"))


def test_a_killed_run_is_completed_by_resume_and_nothing_recorded_runs_twice(somagent: Shell, wait_until: Wait) -> None:
    name = somagent.capsule(
        "killed",
        """\
  inputs: { trace: { type: string, format: path } }
  steps:
    first: { script: { run: 'echo first >> "$TRACE"', env: { TRACE: "${{ inputs.trace }}" } } }
    second:
      needs: [first]
      script: { run: 'echo second >> "$TRACE"; test -e "$TRACE.go" || sleep 60', env: { TRACE: "${{ inputs.trace }}" } }
    third: { needs: [second], script: { run: 'echo third >> "$TRACE"', env: { TRACE: "${{ inputs.trace }}" } } }
""",
    )
    trace = somagent.folder / "trace"
    process = somagent.start("run", name, "--input", "trace=trace")
    wait_until(lambda: trace.exists() and "second" in trace.read_text())
    process.kill()
    process.communicate(timeout=20)
    somagent.write("trace.go", "")
    run_id = somagent("runs", "--output", "json").json[0]["id"]
    resumed = somagent("resume", run_id, "--output", "json")
    assert (resumed.code, resumed.json["phase"]) == (0, "Succeeded")
    assert trace.read_text().split() == ["first", "second", "second", "third"]
    assert resumed.json["steps"]["first"]["attempts"] == 1
    assert resumed.json["steps"]["second"]["attempts"] == 2


def test_the_next_run_tells_of_the_interrupted_one(somagent: Shell, wait_until: Wait) -> None:
    name = somagent.capsule("again", "  steps:\n    nap: { script: { run: 'echo up; sleep 2' } }\n")
    process = somagent.start("run", name)
    wait_until(lambda: (somagent.folder / ".somagent" / "logs").exists() and b"up" in _logs(somagent))
    process.kill()
    process.communicate(timeout=20)
    run_id = somagent("runs", "--output", "json").json[0]["id"]
    again = somagent("run", name)
    assert again.code == 0
    assert (
        f"note: run {run_id} of this capsule was interrupted; `somagent resume {run_id}` goes on with it" in again.err
    )


def test_a_second_process_is_told_who_holds_the_data_directory(somagent: Shell, wait_until: Wait) -> None:
    name = somagent.capsule("held", "  steps:\n    nap: { script: { run: 'echo up; sleep 30' } }\n")
    process = somagent.start("run", name)
    wait_until(lambda: (somagent.folder / ".somagent" / "logs").exists() and b"up" in _logs(somagent))
    second = somagent("prune", "--older-than", "1d")
    assert second.code == 5
    assert str(process.pid) in second.err
    assert somagent("show", "last", "--output", "json").json["phase"] == "Running"
    cancelled = somagent("cancel", "last", "--as", "ann")
    assert (cancelled.code, cancelled.out.startswith(f"asked process {process.pid} to stop r-")) == (0, True)
    process.communicate(timeout=20)
    assert process.returncode == 4
    assert somagent("show", "last", "--output", "json").json["phase"] == "Cancelled"


def test_a_run_uses_its_own_plan_when_the_file_has_changed_or_gone(somagent: Shell, gated: str) -> None:
    somagent("run", gated)
    (somagent.folder / gated).unlink()
    assert somagent("approve", "last", "ask", "--as", "ann", "--output", "json").json["outputs"] == {"answer": 42}


def test_a_damaged_journal_is_named_with_a_way_out(somagent: Shell, gated: str) -> None:
    somagent("run", gated)
    journal = somagent.folder / ".somagent" / "journal.sqlite3"
    sqlite3.connect(journal).execute("PRAGMA wal_checkpoint(TRUNCATE)").connection.close()
    content = bytearray(journal.read_bytes())
    content[:100] = os.urandom(100)
    journal.write_bytes(content)
    for command in (["runs"], ["run", gated], ["show", "last"]):
        damaged = somagent(*command)
        assert damaged.code == 5
        assert "journal.sqlite3" in damaged.err
    way_out = re.search(r"mkdir \S+ && mv \S+ \S+/damaged/", damaged.err)
    assert way_out is not None
    subprocess.run(["bash", "-c", way_out[0]], check=True)
    assert somagent("runs", "--output", "json").json == []
    assert somagent("run", gated).code == 3


def test_the_data_directory_can_be_chosen(somagent: Shell, gated: str) -> None:
    somagent("run", gated, "--data-dir", "elsewhere")
    assert not (somagent.folder / ".somagent").exists()
    assert len(somagent("runs", "--output", "json", SOMAGENT_DATA_DIR="elsewhere").json) == 1


def test_logs_as_json_tell_step_item_and_attempt(somagent: Shell) -> None:
    somagent("new")
    somagent("run", "hello.capsule.yaml")
    shown = json.loads(somagent("logs", "last", "greet", "--output", "json").out)
    assert [(one["step"], one["item"], one["attempt"], one["text"]) for one in shown] == [
        ("greet", 0, 1, "greeting Ada\n"),
        ("greet", 1, 1, "greeting Grace\n"),
    ]


def test_of_several_approvals_it_is_said_who_gave_one_and_who_may(somagent: Shell) -> None:
    reviewers = "{ users: [ann, bo], groups: [leads], count: 2, notSubmitter: true }"
    name = somagent.capsule(
        "two",
        f"""\
  steps:
    ask: {{ review: {{ title: 'Go on?', reviewers: {reviewers}, due: 1d }} }}
""",
    )
    somagent("run", name, "--as", "cy")
    half = somagent("approve", "last", "ask", "--as", "ann", "--comment", "fine")
    assert half.code == 3
    assert "may decide: ann, bo, members of leads\n          not cy, who started the run\n" in half.out
    assert "          2 approvals needed, 1 given: ann\n          due 2" in half.out
    shown = somagent("show", "last", "--output", "json").json
    assert shown["steps"]["ask"]["waiting"].keys() == {
        "title", "users", "groups", "count", "notSubmitter", "show", "outputs", "due", "onTimeout",
    }  # fmt: skip
    (decision,) = shown["decisions"]
    assert (decision["step"], decision["item"], decision["by"], decision["approve"]) == ("ask", None, "ann", True)
    assert (decision["comment"], decision["verified"]) == ("fine", False)


def test_after_the_due_date_only_resume_goes_on(somagent: Shell) -> None:
    name = somagent.capsule("late", "  steps:\n    ask: { review: { title: 'Go on?', due: 2s } }\n")
    assert somagent("run", name).code == 3
    time.sleep(2.1)
    assert "go on: somagent resume r-" in somagent("show", "last").out
    late = somagent("approve", "last", "ask", "--as", "ann")
    assert (late.code, late.err.startswith("error: the time to decide ended at ")) == (2, True)
    assert somagent("resume", "last").code == 1
    assert "0 of 1 approvals when the time was up" in somagent("show", "last").out


def test_the_account_kept_beside_a_decision_is_no_variable_of_the_environment(somagent: Shell, gated: str) -> None:
    somagent("run", gated, LOGNAME="boss", USER="boss")
    somagent("approve", "last", "ask", "--as", "ann", LOGNAME="boss", USER="boss")
    shown = somagent("show", "last", "--output", "json").json
    assert shown["submitter"] == shown["decisions"][0]["account"] == pwd.getpwuid(os.getuid()).pw_name


def test_every_fault_of_an_answer_and_every_retry_is_told_in_a_line(somagent: Shell) -> None:
    name = somagent.capsule(
        "faults",
        """\
  steps:
    wrong:
      script: { run: 'echo "sze=1" >> "$SOMAGENT_OUTPUT"' }
      outputs: { size: { type: integer } }
    busy:
      forEach: ${{ [1] }}
      script: { run: 'test "$SOMAGENT_ATTEMPT" = 2 || exit 75' }
      retry: { attempts: 2, backoff: 1ms }
""",
    )
    failed = somagent("run", name)
    assert "Failed  output `size` is missing; output `sze` is not declared\n" in failed.out
    assert re.search(r"· busy/0 +Pending  attempt 1 failed, another follows: exit code 75 \(try again\)\n", failed.out)
    shown = somagent("show", "last", "--output", "json").json
    assert shown["failure"]["class"] == shown["steps"]["wrong"]["failure"]["class"] == "invalid_output"
    assert somagent("retry", "last", "--output", "json").json["retryOf"] == shown["id"]


LATER = """\
apiVersion: somagent.io/v1alpha1
kind: Persona
metadata: { name: helper }
spec: { system: You help. }
"""


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ("slm: { persona: helper, prompt: Hello }", "checks and plans `slm`"),
        ("bundle: { name: all, include: ['${{ steps.a.file }}'], sign: true }", "checks and plans `sign` of `bundle`"),
    ],
)
def test_what_can_be_planned_and_not_run_is_refused_before_anything_starts(
    last: str, said: str, somagent: Shell
) -> None:
    somagent.write("helper.yaml", LATER)
    name = somagent.capsule(
        "later",
        "  uses: { personas: { helper: ./helper.yaml } }\n  steps:\n"
        "    a: { script: { run: touch file }, outputs: { file: { type: artifact, path: file } } }\n"
        f"    b: {{ {last} }}\n",
    )
    assert somagent("check", name).code == 0
    assert somagent("plan", name).code == 0
    refused = somagent("run", name)
    assert (refused.code, refused.out) == (2, "")
    assert f"step `b` cannot be run: this version of SomaGent {said} and does not run it" in refused.err
    assert somagent("runs", "--output", "json").json == []


def test_a_path_that_is_none_is_refused_with_all_else_that_is_wrong(somagent: Shell) -> None:
    spec = "  inputs: { repo: { type: string, format: path }, size: { type: integer, minimum: 1, default: 1 } }\n"
    name = somagent.capsule("a", spec + "  steps: { a: { script: { run: 'true' } } }\n")
    (somagent.folder / "circle").symlink_to("circle")
    somagent.write("zero.json", '{ "repo": "a\\u0000b" }')
    for given in (["--input", "repo=~nobody-here/x"], ["--input", "repo=circle"], ["--inputs", "zero.json"]):
        ended = somagent("run", name, *given, "--input", "size=0")
        assert ended.code == 2
        assert " is no path: " in ended.err
        assert "input `size`: 0 is less than the minimum of 1" in ended.err
