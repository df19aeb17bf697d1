"""Plain scalars mean what the YAML 1.2 core schema says (YAML 1.2.2, section 10.3.2)."""

from __future__ import annotations

import pytest

from somagent.governance.documents.resolve import NotFinite, resolve

TABLE = {
    # null
    "": None, "~": None, "null": None, "Null": None, "NULL": None, "nULL": "nULL", "none": "none", "nil": "nil",
    # booleans
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "tRUE": "tRUE", "yes": "yes", "no": "no", "on": "on", "off": "off", "y": "y", "n": "n", "t": "t",
    # whole numbers
    "0": 0, "7": 7, "-0": 0, "+12": 12, "-19": -19, "685230": 685230, "010": 10, "0755": 755, "08": 8, "-08": -8,
    "0o14": 12, "0o7": 7, "0o8": "0o8", "0o": "0o", "-0o7": "-0o7", "0O7": "0O7",
    "0xC": 12, "0xff": 255, "0xFF": 255, "0x": "0x", "-0xC": "-0xC", "0XFF": "0XFF", "0xg": "0xg",
    "0b101": "0b101", "1_000": "1_000", "190:20:30": "190:20:30", "1:30": "1:30", "1,000": "1,000", "- 1": "- 1",
    # numbers
    "0.": 0.0, "-0.0": -0.0, "0.5": 0.5, ".5": 0.5, "-.5": -0.5, "+.5": 0.5, "1e3": 1000.0, "1E3": 1000.0,
    "+12e03": 12000.0, "-2E+05": -200000.0, "12e-2": 0.12, "6.8523015e+5": 685230.15, "1.e1": 10.0, ".e1": ".e1",
    ".": ".", "..": "..", "+": "+", "-": "-", "e3": "e3", "1e": "1e", "1.2.3": "1.2.3", "1.2.": "1.2.", "- ": "- ",
    "685.230_15e+03": "685.230_15e+03", "0x1.8p1": "0x1.8p1", "Infinity": "Infinity", "NaN": "NaN", "nan": "nan",
    # text
    "2026-01-01": "2026-01-01", "12:00:00": "12:00:00", "=": "=", "<<": "<<", "١٢": "١٢", "1٢": "1٢",
}  # fmt: skip


@pytest.mark.parametrize(("text", "value"), TABLE.items(), ids=repr)
def test_a_plain_scalar_has_the_value_of_the_core_schema(text: str, value: object) -> None:
    found = resolve(text)
    assert (type(found), found, str(found)) == (type(value), value, str(value))


@pytest.mark.parametrize(
    "text", [".inf", ".Inf", ".INF", "-.inf", "+.INF", ".nan", ".NaN", ".NAN", "1e400", "-1e999", "9" * 400 + "."]
)
def test_what_is_not_finite_has_no_value(text: str) -> None:
    with pytest.raises(NotFinite):
        resolve(text)


def test_a_number_of_thousands_of_digits_costs_nothing_and_is_out_of_every_range() -> None:
    assert abs(int(str(resolve("9" * 5000)))) > 2**63
    assert abs(int(str(resolve("-" + "1" * 5000)))) > 2**63
