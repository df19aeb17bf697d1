"""Runs inside runs from the command line: steps are named through the capsules that they are in."""

import re
import signal
from collections.abc import Callable

import pytest
from somagent_shell import HEAD, Shell

Wait = Callable[[Callable[[], bool]], None]

SCAN = """\
  inputs: { part: { type: string } }
  steps:
    look:
      script:
        env: { PART: "${{ inputs.part }}" }
        run: |
          echo "looks at $PART"
          test "$PART" != bad || exit 3
          echo "$PART" > seen.txt
          echo "files=3" >> "$SOMAGENT_OUTPUT"
      outputs: { files: { type: integer }, seen: { type: artifact, path: seen.txt } }
    approval:
      needs: [look]
      review: { title: "Is ${{ inputs.part }} fine?", reviewers: { users: [ana, bo], count: 2 } }
  outputs: { files: "${{ steps.look.files }}" }
"""
WHOLE = """\
  uses: { capsules: { scan: ./scan.capsule.yaml } }
  steps:
    scan: { capsule: { use: scan, with: { part: roof } } }
    tell:
      script: { env: { FILES: "${{ steps.scan.files }}" }, run: 'echo "$FILES files"' }
  outputs: { files: "${{ steps.scan.files }}" }
"""


@pytest.fixture
def whole(somagent: Shell) -> str:
    somagent.capsule("scan", SCAN)
    return somagent.capsule("whole", WHOLE)


def test_a_review_in_a_capsule_is_found_shown_and_decided_by_its_path(somagent: Shell, whole: str) -> None:
    parked = somagent("run", whole, "--output", "json")
    run_id, step = parked.json["id"], parked.json["steps"]["scan"]
    assert (parked.code, step["phase"]) == (3, "Waiting")
    assert (step["run"]["id"], step["run"]["capsule"], step["run"]["phase"]) == (f"{run_id}.scan", "scan", "Waiting")
    assert step["run"]["steps"]["approval"]["waiting"]["title"] == "Is roof fine?"
    shown = somagent("show").out
    assert f"decide: somagent approve {run_id} scan/approval --as NAME" in shown
    assert re.search(r"\? +scan/approval +Waiting", shown)
    outer = somagent("approve", "last", "scan", "--as", "ana")
    assert outer.code == 2
    assert outer.err == (
        "error: step `scan` waits for a step inside its capsule; these wait for a decision: scan/approval\n"
    )
    assert "has no step `scan/look/x`" in somagent("approve", "last", "scan/look/x", "--as", "ana").err
    one = somagent("approve", "last", "scan/approval", "--as", "Ana", "--output", "json")
    assert one.code == 3
    assert "2 approvals needed, 1 given: Ana" in somagent("show").out
    assert "has decided" in somagent("approve", "last", "scan/approval", "--as", "ana").err
    done = somagent("approve", "last", "scan/approval", "--as", "bo", "--output", "json")
    assert (done.code, done.json["phase"], done.json["outputs"]) == (0, "Succeeded", {"files": 3})
    assert done.json["steps"]["scan"]["run"]["steps"]["look"]["attempts"] == 1
    assert [one["by"] for one in done.json["steps"]["scan"]["run"]["decisions"]] == ["Ana", "bo"]


def test_logs_and_artifacts_of_a_capsule_are_named_through_it(somagent: Shell, whole: str) -> None:
    somagent("run", whole)
    assert somagent("logs").out == "scan/look | looks at roof\n"
    assert somagent("logs", "last", "scan").out == "scan/look | looks at roof\n"
    assert somagent("logs", "last", "scan/look").out == "scan/look | looks at roof\n"
    assert "its steps: scan, scan/look, scan/approval, tell" in somagent("logs", "last", "scan/lok").err
    assert somagent("artifacts").out.startswith("scan/look.seen  file")
    copied = somagent("artifacts", "last", "scan/look.seen", "--to", "out")
    assert copied.code == 0
    assert (somagent.folder / "out/seen.txt").read_text() == "roof\n"


def test_a_run_inside_another_is_listed_only_when_asked_for(somagent: Shell, whole: str) -> None:
    somagent("run", whole)
    (run,) = somagent("runs", "--output", "json").json
    every = somagent("runs", "--all", "--output", "json").json
    assert {one["id"] for one in every} == {run["id"], f"{run['id']}.scan"}
    assert somagent("show", f"{run['id']}.scan", "--output", "json").json["capsule"] == "scan"
    for command in (["resume"], ["cancel", "--as", "ana"], ["retry"]):
        ended = somagent(command[0], f"{run['id']}.scan", *command[1:])
        assert (ended.code, ended.err) == (
            2,
            f"error: {run['id']}.scan is a part of {run['id']}; name that run instead\n",
        )


def test_a_decision_named_by_the_run_inside_goes_on_with_the_whole(somagent: Shell, whole: str) -> None:
    somagent("run", whole)
    run_id = somagent("runs", "--output", "json").json[0]["id"]
    assert f"decide: somagent approve {run_id}.scan approval --as NAME" in somagent("show", f"{run_id}.scan").out
    somagent("approve", f"{run_id}.scan", "approval", "--as", "ana", "--no-resume")
    done = somagent("approve", f"{run_id}.scan", "approval", "--as", "bo", "--output", "json")
    assert (done.code, done.json["id"], done.json["phase"]) == (0, run_id, "Succeeded")


def test_the_report_shows_what_is_inside_and_how_to_decide_there(somagent: Shell, whole: str) -> None:
    somagent("run", whole)
    run_id = somagent("runs", "--output", "json").json[0]["id"]
    page = (somagent.folder / f".somagent/reports/{run_id}.html").read_text()
    assert f"somagent approve {run_id} scan/approval --as NAME" in page
    assert 'id="inside"' in page
    assert f"{run_id}.scan" in page


def test_a_failure_in_a_capsule_is_told_with_its_chain_and_its_log(somagent: Shell, whole: str) -> None:
    spec = WHOLE.replace("roof", "bad")
    somagent.write(whole, HEAD.replace("NAME", "whole") + spec)
    failed = somagent("run", whole)
    run_id = somagent("runs", "--output", "json").json[0]["id"]
    assert failed.code == 1
    assert "✗ scan/look failed: error, after " in failed.out
    assert "\n  said     exit code 3\n" in failed.out
    assert f"logs: somagent logs {run_id} scan/look" in failed.out
    assert f"again: somagent retry {run_id} " in failed.out
    assert "looks at bad" in (somagent.folder / f".somagent/reports/{run_id}.html").read_text()


def test_a_run_killed_inside_a_capsule_is_gone_on_with_inside_it(somagent: Shell, wait_until: Wait) -> None:
    marks = somagent.folder / "marks"
    somagent.capsule(
        "inner",
        f"""\
  steps:
    first: {{ script: {{ run: 'echo first >> "{marks}"' }} }}
    second:
      needs: [first]
      script: {{ run: 'echo second >> "{marks}"; test "$SOMAGENT_ATTEMPT" = 2 || sleep 60' }}
""",
    )
    name = somagent.capsule(
        "outer",
        "  uses: { capsules: { inner: ./inner.capsule.yaml } }\n  steps: { inner: { capsule: { use: inner } } }\n",
    )
    process = somagent.start("run", name)
    wait_until(lambda: marks.exists() and "second" in marks.read_text())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert somagent("show", "--output", "json").json["steps"]["inner"]["run"]["phase"] == "Pending"
    resumed = somagent("resume", "last", "--output", "json")
    assert (resumed.code, resumed.json["phase"]) == (0, "Succeeded")
    assert marks.read_text().split() == ["first", "second", "second"]
    assert resumed.json["steps"]["inner"]["run"]["steps"]["second"]["attempts"] == 2


def test_hints_of_the_engine_name_the_data_directory_in_use(somagent: Shell, whole: str) -> None:
    somagent("run", whole, "--data-dir", "elsewhere")
    run_id = somagent("runs", "--data-dir", "elsewhere", "--output", "json").json[0]["id"]
    refused = somagent("approve", "last", "scan/look", "--as", "ana", "--data-dir", "elsewhere")
    assert refused.err == ("error: step `look` does not wait any more: it is Succeeded\n")
    refused = somagent("approve", "last", "tell", "--as", "ana", "--data-dir", "elsewhere")
    assert refused.err == (
        f"error: step `tell` does not wait for a decision (somagent show {run_id} --data-dir elsewhere)\n"
    )
