"""Cases are run on the real engine; only steps with a declared answer are not real, and the report says which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from captests import HEAD
from somagent_shell import Ended, Shell

RunTests = Callable[..., Ended]

TWO = """\
    - name: two tickets
      answers:
        fetch: { outputs: { tickets: [{ text: a }, { text: b }] } }
        sort: { items: [{ outputs: { level: low } }, { outputs: { level: high } }] }
      expect:
"""
FOUR = """\
    - name: four tickets
      answers:
        fetch: { outputs: { tickets: [{ text: a }, { text: b }, { text: c }, { text: d }] } }
"""


def case(result: Any, number: int = 0) -> Any:
    return result.json["cases"][number]


def test_what_is_as_expected_passes_and_the_answered_steps_are_named(run_tests: RunTests, somagent: Shell) -> None:
    ended = run_tests(
        TWO
        + "        phase: Succeeded\n"
        + "        skipped: [ask]\n"
        + "        outputs: { sent: 2, levels: [low, high] }\n"
        + '        assert: ["size(outputs.levels) == 2", "steps.fetch.tickets.all(t, size(t.text) == 1)"]\n'
        + "        steps: { send: { attempts: 1, verdict: audit }, sort: { items: 2 } }\n"
    )
    assert ended.code == 0, ended
    assert "answered: fetch, sort" in ended.out
    assert not (somagent.folder / "fetched").exists(), "an answered step must not run"


def test_every_difference_is_shown_with_both_sides_and_its_line(run_tests: RunTests) -> None:
    ended = run_tests(
        TWO
        + "        phase: Failed\n"
        + "        outputs: { sent: 3, levels: [low, high] }\n"
        + "        assert: ['size(outputs.levels) == 3']\n",
        "--output",
        "json",
    )
    assert ended.code == 1
    assert [(one["line"], one["expected"], one["actual"]) for one in case(ended)["differences"]] == [
        (11, "Failed", "Succeeded"),
        (12, "3", "2"),
        (13, "size(outputs.levels) == 3", "it is false"),
    ]


def test_with_real_nothing_is_answered(run_tests: RunTests, somagent: Shell) -> None:
    ended = run_tests(TWO + "        outputs: { sent: 2, levels: [] }\n", "--real", "--output", "json")
    assert (ended.code, case(ended)["answered"]) == (0, [])
    assert (somagent.folder / "fetched").exists()


def test_failures_are_followed_by_real_retries_without_their_waits(run_tests: RunTests) -> None:
    ended = run_tests(
        """\
    - name: again
      answers:
        fetch:
          attempts:
            - failure: { class: transient, message: no answer }
            - outputs: { tickets: [] }
      expect: { phase: Succeeded, steps: { fetch: { attempts: 2 } } }
    - name: not again
      answers: { fetch: { failure: { class: error, message: broken } } }
      expect: { phase: Failed, steps: { fetch: { attempts: 1, failure: error, message: broken } } }
    - name: given up
      answers: { fetch: { failure: { class: transient } } }
      expect: { phase: Failed, steps: { fetch: { attempts: 3, failure: transient }, send: { phase: Omitted } } }
"""
    )
    assert ended.code == 0, ended
    assert "3 passed" in ended.out


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        ("[{ decision: approve, by: ana }]", "phase: Succeeded"),
        ("[{ decision: reject, by: ana, comment: not yet }]", "phase: Failed, steps: { ask: { failure: denied } }"),
        ("[{ decision: timeout }]", "phase: Failed, steps: { ask: { message: time was up } }"),
        ("[{ decision: approve, by: tester }]", "phase: Waiting"),
        ("[{ decision: approve, by: tester }, { decision: approve, by: ana }]", "phase: Succeeded"),
    ],
)
def test_people_decide_as_declared_and_by_the_real_rules(run_tests: RunTests, decisions: str, expected: str) -> None:
    ended = run_tests(f"{FOUR}        ask: {{ decisions: {decisions} }}\n      expect: {{ {expected} }}\n")
    assert ended.code == 0, ended


def test_an_answer_of_another_type_is_refused_at_its_place_before_anything_runs(run_tests: RunTests) -> None:
    ended = run_tests(
        "    - name: a\n      answers: { fetch: { outputs: { tickets: [{ text: 5 }] } } }\n"
        "      expect: { phase: Succeeded }\n"
    )
    assert ended.code == 2
    assert 'error[CAP825]: `tickets.0.text` is not of the declared type: 5 is not of type "string"' in ended.err
    assert "tests/triage.yaml:7:56" in ended.err


def test_an_assertion_is_typed_when_the_file_is_read(run_tests: RunTests) -> None:
    ended = run_tests(TWO + "        assert: ['outputs.snet == 2']\n")
    assert ended.code == 2
    assert "did you mean `sent`?" in ended.err


def test_inputs_that_are_refused_can_be_expected(run_tests: RunTests) -> None:
    ended = run_tests("    - name: a\n      inputs: { limit: many }\n      expect: { refused: limit }\n")
    assert ended.code == 0, ended


def test_a_capsule_can_be_expected_not_to_compile(somagent: Shell) -> None:
    somagent.capsule("broken", "  steps:\n    a: { script: { run: 'echo $A', env: { A: '${{ steps.b.c }}' } } }\n")
    cases = "    - name: a\n      expect: { diagnostics: [{ code: unknown-step, line: LINE }] }\n"
    somagent.write("tests/broken.yaml", HEAD + cases.replace("LINE", "6"))
    assert somagent("test").code == 0
    somagent.write("tests/broken.yaml", HEAD + cases.replace("LINE", "5"))
    ended = somagent("test")
    assert ended.code == 1
    assert "expected: CAP201 in line 5" in ended.out
    assert "actual: CAP201 in line 6" in ended.out


def test_a_snapshot_is_kept_and_compared_and_never_born_by_accident(run_tests: RunTests, somagent: Shell) -> None:
    path = somagent.folder / "tests" / "__snapshots__" / "triage" / "two-tickets.json"
    assert run_tests(TWO + "        snapshot: true\n").code == 1
    assert not path.exists()
    assert somagent("test", "--update-snapshots").code == 0
    kept = path.read_bytes()
    assert somagent("test").code == 0
    path.write_bytes(kept.replace(b'"low"', b'"high"'))
    ended = somagent("test")
    assert ended.code == 1
    assert '+      "low"' in ended.out
    assert somagent("test", "--update-snapshots").code == 0
    assert path.read_bytes() == kept


def test_a_snapshot_that_belongs_to_no_case_any_more_is_noted(run_tests: RunTests, somagent: Shell) -> None:
    assert run_tests(TWO + "        snapshot: true\n", "--update-snapshots").code == 0
    note = "note: no case is compared with tests/__snapshots__/triage/two-tickets.json; it can be removed\n"
    assert note not in somagent("test").out
    assert note in run_tests(TWO.replace("two tickets", "a pair") + "        phase: Succeeded\n").out


def test_coverage_counts_the_ways_of_steps_and_can_be_asked_for(run_tests: RunTests, somagent: Shell) -> None:
    ended = run_tests(TWO + "        phase: Succeeded\n", "--min-coverage", "50", "--output", "json")
    assert ended.code == 1
    assert ended.json["coverage"]["triage.capsule.yaml"]["steps"]["ask"] == {
        "begun": False,
        "if true": False,
        "if false": True,
        "opened": False,
        "denied": False,
    }
    assert "at least 50 % is asked for" in ended.err
    assert somagent("test", "--min-coverage", "20").code == 0


def test_junit_is_xml_whatever_the_names(run_tests: RunTests, somagent: Shell) -> None:
    case = TWO.replace("two tickets", '"<a & \\"b\\"> \\x07"') + "        phase: Failed\n"
    ended = run_tests(case, "--junit", "out.xml")
    assert ended.code == 1
    root = ElementTree.parse(somagent.folder / "out.xml").getroot()
    assert [one.get("name") for one in root.iter("testcase")] == ['<a & "b"> \ufffd']
    assert [one.text for one in root.iter("failure")] == ["expected: Failed\nactual: Succeeded"]


def test_cases_are_chosen_by_name_and_listed(run_tests: RunTests, somagent: Shell) -> None:
    ended = run_tests(TWO + "        phase: Succeeded\n" + FOUR + "      expect: { phase: Waiting }\n", "--list")
    assert (ended.code, ended.out) == (0, "tests/triage.yaml:6  two tickets\ntests/triage.yaml:12  four tickets\n")
    assert "1 passed" in somagent("test", "-k", "FOUR").out
    assert somagent("test", "-k", "nothing").code == 2


def test_nothing_is_left_behind(run_tests: RunTests, somagent: Shell, tmp_path: Path) -> None:
    room = tmp_path / "room"
    room.mkdir()
    run_tests(TWO + "        phase: Succeeded\n")
    assert somagent("test", TMPDIR=str(room)).code == 0
    assert list(room.iterdir()) == []
    assert not (somagent.folder / ".somagent").exists()


def test_a_folder_without_tests_is_said(somagent: Shell) -> None:
    ended = somagent("test")
    assert ended.code == 2
    assert "they lie in `tests/*.yaml` beside a capsule" in ended.err
