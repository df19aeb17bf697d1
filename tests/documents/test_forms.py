"""What people write is recognised where a field wants another form."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from somagent.governance.documents.forms import completed, in_form

DURATION, MONEY = r"[0-9]+(ms|s|m|h|d)", r"[0-9]+(\.[0-9]{1,6})? [A-Z]{3}"
NAME, STEP, VERSION = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", r"[a-z][a-z0-9_]*", r"[0-9]+\.[0-9]+\.[0-9]+"
VARIABLE = r"(?!HOME$)[A-Za-z_][A-Za-z0-9_]*"


@pytest.mark.parametrize(
    ("text", "form", "meant"),
    [
        ("90 minutes", DURATION, "90m"),
        ("2 hours", DURATION, "2h"),
        ("1day", DURATION, "1d"),
        ("5 dollars", MONEY, "5 USD"),
        ("$6.50", MONEY, "6.50 USD"),
        ("3 eur", MONEY, "3 EUR"),
        ("Weekly_Report", NAME, "weekly-report"),
        ("WeeklyReport", NAME, "weekly-report"),
        ("run-tests", STEP, "run_tests"),
        ("Run tests", STEP, "run_tests"),
        ("v1.2.3", VERSION, "1.2.3"),
        ("release.yaml", r"\./.+", "./release.yaml"),
        ("HOME", VARIABLE, None),
        ("!!", NAME, None),
        ("a" * 300 + "_", NAME, None),
    ],
)
def test_a_text_is_brought_into_form(text: str, form: str, meant: str | None) -> None:
    assert in_form(text, re.compile(form).fullmatch) == meant


@pytest.mark.parametrize(
    ("number", "form", "whole"), [("15", DURATION, "15m"), ("5", MONEY, "5 USD"), ("1.2", VERSION, "1.2.0")]
)
def test_a_number_is_completed(number: str, form: str, whole: str) -> None:
    assert completed(number, re.compile(form).fullmatch) == whole


@given(st.text(max_size=60), st.sampled_from([DURATION, MONEY, NAME, STEP, VERSION]))
def test_what_is_suggested_is_always_in_form(text: str, form: str) -> None:
    meant = in_form(text, re.compile(form).fullmatch)
    assert meant is None or re.fullmatch(form, meant)
