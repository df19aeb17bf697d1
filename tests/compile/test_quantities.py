"""Durations, counts and money are exact: one parser and one printer, which are each other's inverse."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from somagent.capsule_compiler.model.quantities import (
    COUNT,
    DURATION,
    MONEY,
    Money,
    count,
    duration_ms,
    money,
    show_count,
    show_duration,
    show_money,
)

KINDS = {
    "duration": (DURATION, duration_ms, show_duration),
    "count": (COUNT, count, show_count),
    "money": (MONEY, money, show_money),
}
UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
LONGEST = duration_ms("99999d23h59m59s999ms")
MOST = count("999999999999999")


def written(pattern: str) -> st.SearchStrategy[str]:
    """Every text of the form."""
    return st.from_regex(pattern.removesuffix("$"), fullmatch=True, alphabet=st.characters(codec="ascii"))


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_what_is_printed_is_of_the_form_and_reads_back_exactly(kind, data):
    pattern, parse, show = KINDS[kind]
    text = data.draw(written(pattern))
    value = parse(text)
    shown = show(value)
    assert re.fullmatch(pattern, shown)
    assert parse(shown) == value
    assert show(parse(shown)) == shown


@given(milliseconds=st.integers(0, LONGEST))
def test_every_duration_up_to_the_longest_can_be_written(milliseconds):
    text = show_duration(milliseconds)
    assert re.fullmatch(DURATION, text)
    assert duration_ms(text) == milliseconds


@given(parts=st.lists(st.tuples(st.integers(0, 999_999), st.sampled_from(list(UNITS))), min_size=1, max_size=5))
def test_a_duration_is_the_sum_of_its_parts_or_refused(parts):
    text = "".join(f"{number}{unit}" for number, unit in parts)
    if re.fullmatch(DURATION, text):
        assert duration_ms(text) == sum(number * UNITS[unit] for number, unit in parts)
        sizes = [UNITS[unit] for _, unit in parts]
        assert sizes == sorted(set(sizes), reverse=True)
        assert all(n * UNITS[unit] < 24 * 3_600_000 for n, unit in parts[1:])
    else:
        with pytest.raises(ValueError, match="is not a duration"):
            duration_ms(text)


@given(number=st.integers(0, MOST))
def test_every_count_has_a_shortest_spelling(number):
    text = show_count(number)
    assert re.fullmatch(COUNT, text)
    assert count(text) == number
    assert len(text) <= len(str(number))


@given(text=written(COUNT))
def test_a_count_is_worked_out_without_rounding(text):
    scale = {"k": 1_000, "M": 1_000_000}.get(text[-1], 1)
    assert count(text) == Decimal(text.rstrip("kM")) * scale


@given(text=written(MONEY))
def test_money_is_worked_out_without_rounding(text):
    amount, currency = text.split(" ")
    assert money(text) == Money(int(Decimal(amount) * 1_000_000), currency)


@given(micros=st.integers(0, 999_999_999_999_999))
def test_money_has_two_digits_or_as_many_as_it_needs(micros):
    amount, currency = show_money(Money(micros, "EUR")).split(" ")
    assert (Decimal(amount) * 1_000_000, currency) == (micros, "EUR")
    digits = amount.partition(".")[2]
    assert len(digits) >= 2
    assert len(digits) == 2 or not digits.endswith("0")


def test_the_largest_quantities_stay_exact_in_json_and_in_the_calendar():
    assert max(LONGEST, MOST, money("999999999.999999 USD").micros) < 2**53
    assert datetime(2100, 1, 1, tzinfo=UTC) + timedelta(milliseconds=LONGEST) < datetime(2400, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *((duration_ms, text) for text in ("", "15", "m", "-1s", "1.5h", "15 m", "15m\n", "1h90m", "30s1h", "1m1m")),
        *((duration_ms, text) for text in ("1000000s", "100000d", "1d24h", "١m", "1H")),
        *(
            (count, text)
            for text in ("", "k", "-1", "1.5", "1.2345k", "1K", "4k\n", "1e3", "1,000", "1000000000000000")
        ),
        *(
            (money, text)
            for text in ("6 usd", "6.00USD", "6.00  USD", "$6", "6.0000001 USD", "-1 USD", "6.00 USD\n", "")
        ),
    ],
)
def test_what_is_no_quantity_is_refused(parse, text):
    with pytest.raises(ValueError, match="is not"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("90m", "1h30m"), ("36h", "1d12h"), ("0h", "0s"), ("1500ms", "1s500ms"), ("007d", "7d"), ("90m30s", "1h30m30s")],
)
def test_a_duration_is_shown_in_the_largest_units(text, shown):
    assert show_duration(duration_ms(text)) == shown


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("wallClock", '"15m\\n"'), ("wallClock", "1h90m"), ("tokens", '"4k\\n"'), ("cost", '"6.00 USD\\n"')],
)
def test_a_capsule_with_another_form_is_told_so(mistakes, field, wrong):
    found = mistakes(f"  budget: {{ {field}: {wrong} }}\n  steps: {{ a: {{ script: {{ run: 'true' }} }} }}\n")
    assert [name for name, _ in found] == ["not-in-form"]


def test_no_name_may_end_with_a_line_break(mistakes):
    spec = '  steps: { "a\\n": { script: { run: "true" } } }\n'
    assert [name for name, _ in mistakes(spec)] == ["not-in-form"]
