"""Cases after the conformance tests of the CEL specification: the specified value or error, or refused.

`conformance.json` groups them as the specification does (`tests/simple/testdata`); a case that is refused says why. The
official implementation is held against the same values, so that a slip in the file shows.
"""

from __future__ import annotations

import json
import math
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
