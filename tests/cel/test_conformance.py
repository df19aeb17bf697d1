"""Cases after the conformance tests of the CEL specification: the specified value or error, or refused.

`conformance.json` groups them as the specification does (`tests/simple/testdata`); a case that is refused says why. The
official implementation is held against the same values, so that a slip in the file shows.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from somagent.governance import cel

GROUPS = json.loads((Path(__file__).parent / "conformance.json").read_text("utf-8"))
CASES = [pytest.param(case, id=f"{group}: {case['expr']}") for group, cases in GROUPS.items() for case in cases]


def same(a: object, b: object) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a):
        return math.isnan(b)
    return type(a) is type(b) and a == b


@pytest.mark.parametrize("case", CASES)
def test_a_case_of_the_specification_gives_what_it_specifies_or_is_refused(case, oracle, run_ours):
    ours, official = run_ours(case["expr"], {}), oracle.run(case["expr"], {})
    if "refused" in case:
        assert ours.kind == "refused"
    elif "error" in case:
        assert (ours.kind, official.kind) == ("error", "error")
    else:
        assert ours.kind == official.kind == "value"
        assert same(ours.value, case["value"])
        assert same(official.value, case["value"])


def test_what_is_refused_has_its_reason_and_every_group_has_cases_that_run():
    for cases in GROUPS.values():
        assert all(case.keys() - {"expr"} in ({"value"}, {"error"}, {"refused"}) for case in cases)
    reasons = {case["refused"] for cases in GROUPS.values() for case in cases if "refused" in case}
    assert {"unsigned numbers", "bytes", "times", "messages", "optional values", "types as values"} <= reasons
    assert cel.evaluate(cel.parse("1"), {}) == 1


SPECIFIED = r"""
# what a file of the specification looks like
name: "made"
section {
  name: "one"
  test { name: "sum" expr: "1 + x" bindings { key: "x" value { value { int64_value: 2 } } } value: { int64_value: 3 } }
  test { name: "text" expr: "'\\u00e9" '\\n\'' value: { string_value: "\303\251\n" } }
  test { name: "default" expr: "true" }
  test { name: "list" expr: "[1, 'a', null, 0.5]"
    value: { list_value { values: [ { int64_value: 1 }, { string_value: "a" }, { null_value: NULL_VALUE } ]
                          values { double_value: 0.5 } } } }
  test { name: "map" expr: "{1: true}"
    value { map_value { entries { key { int64_value: 1 } value { bool_value: true } } } } }
  test { name: "fault" expr: "1 / 0" eval_error { errors { message: "divide by zero" } } }
  test { name: "type" expr: "[]" check_only: true
    typed_result { deduced_type { list_type { elem_type { dyn {} } } } } }
  test { name: "unsigned" expr: "1u" value: { uint64_value: 1 } }
  test { name: "container" expr: "y" container: "x" bindings { key: "y" value: { value: { bool_value: true } } } }
  test { name: "slip" expr: "1 + 1" value: { int64_value: 3 } }
  test { name: "kind" expr: "1" value: { double_value: 1 } }
  test { name: "no fault" expr: "1" eval_error { } }
}
"""


def test_a_file_of_the_specification_is_read_and_held_against_what_comes_out(tmp_path):
    (tmp_path / "made.textproto").write_text(SPECIFIED, "utf-8")
    command = [sys.executable, Path(__file__).with_name("specification.py"), tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    head, made, total, *different = done.stdout.splitlines()
    assert (done.returncode, head.split()) == (1, ["file", "cases", "value", "error", "refused", "different"])
    assert made.split()[1:] == total.split()[1:] == ["12", "6", "1", "2", "3"]
    assert different == [
        "made/one/slip: 1 + 1 gives 2, not 3",
        "made/one/kind: 1 gives 1, not 1.0",
        "made/one/no fault: 1 gives 1, not an error",
    ]
