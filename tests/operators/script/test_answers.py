"""The answer of a script: a file of names and values, read by the declared types, every mistake with its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from somagent.operators.script.answer import LIMIT_BYTES, AnswerRefused, parse_answer

TYPES = {
    "text": {"type": "string"},
    "word": {"$ref": "#/types/Word"},
    "number": {"type": "number"},
    "flag": {"type": "boolean"},
    "list": {"type": "array", "items": {"type": "integer"}},
    "choice": {"type": "string", "enum": ["1", "2"]},
}


def parsed(text: str) -> dict[str, str]:
    return {name: written.text for name, written in parse_answer(text.encode()).items()}


def faults(content: bytes | str) -> list[str]:
    with pytest.raises(AnswerRefused) as caught:
        parse_answer(content.encode() if isinstance(content, str) else content)
    return [line.removeprefix("$SOMAGENT_OUTPUT ") for line in str(caught.value).splitlines()]


def test_values_are_read_by_their_declared_types(script):
    lines = ["text=007", "word= 1 ", "number=1", "flag=true", "list=[1, 2]", "choice=2"]
    text = "\n".join(f"echo '{line}' >> \"$SOMAGENT_OUTPUT\"" for line in lines)
    assert script(text, TYPES) == {
        "text": "007",
        "word": " 1 ",
        "number": 1,
        "flag": True,
        "list": [1, 2],
        "choice": "2",
    }


def test_a_value_may_have_many_lines(script):
    text = "cat >> $SOMAGENT_OUTPUT <<'X'\ntext<<END\nfirst\n\nname=value\n END\nEND\nlist<<J\n[1,\n 2]\nJ\nX"
    assert script(text, {"text": TYPES["text"], "list": TYPES["list"]}) == {
        "text": "first\n\nname=value\n END",
        "list": [1, 2],
    }


def test_the_first_of_equals_sign_and_heredoc_mark_counts():
    assert parsed("a=b<<c\nd<<e=f\nx\ne=f\n") == {"a": "b<<c", "d": "x"}
    assert parsed("a=\nb==\n") == {"a": "", "b": "="}
    assert parsed("a<<E\nE\n") == {"a": ""}


def test_python_may_write_it_too(script):
    text = "import os\nwith open(os.environ['SOMAGENT_OUTPUT'], 'a') as out:\n    print('text=x', file=out)"
    assert script(text, {"text": TYPES["text"]}, shell="python") == {"text": "x"}


def test_nothing_written_is_no_outputs(script):
    assert script("rm $SOMAGENT_OUTPUT", {"text": TYPES["text"]}) == {}
    assert script("true", {"text": TYPES["text"]}) == {}


def test_what_is_not_json_is_refused_with_its_line(script):
    failure = script.failure("printf '\\nnumber=1,5\\nflag=True\\n' >> $SOMAGENT_OUTPUT", TYPES)
    assert failure.failure_class == "invalid_output"
    assert failure.message.splitlines() == [
        "$SOMAGENT_OUTPUT line 2: output `number` is declared as number, but `1,5` is not JSON",
        "$SOMAGENT_OUTPUT line 3: output `flag` is declared as boolean, but `True` is not JSON",
    ]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "01", "1e999", "'x'", "{a: 1}", '"\\ud800"', "[" * 100_000])
def test_only_strict_json_is_a_value(script, value, tmp_path):
    (tmp_path / "v").write_text(value)
    failure = script.failure(f'echo "number=$(cat {tmp_path}/v)" >> $SOMAGENT_OUTPUT', {"number": {"type": "number"}})
    assert "is not JSON" in failure.message


def test_every_mistake_of_form_is_told_with_its_line():
    assert faults("hello\n a=1\nb =2\nc=1\nc=2\n=x\nd<<\nz=1") == [
        "line 1: `hello` is neither `name=value` nor `name<<END`",
        "line 2: ` a` is not an output's name; write `name=value` without spaces",
        "line 3: `b ` is not an output's name; write `name=value` without spaces",
        "line 5: output `c` was already written on line 4",
        "line 6: `` is not an output's name; write `name=value` without spaces",
        "line 7: `d<<` is not closed by a line with only a word after `<<`",
    ]
    assert faults("a=1\nb<<END\nx\nEND \n") == ["line 2: `b<<` is not closed by a line with only `END`"]


def test_of_very_many_mistakes_some_are_told():
    told = faults("nonsense\n" * 1000)
    assert (len(told), told[-1]) == (21, "and 980 more")


def test_what_is_not_utf8_is_refused_with_its_line():
    assert faults(b"a=1\nb=\xff\n") == ["line 2 is not UTF-8 (byte 0xff)"]


def test_too_large_an_answer_is_refused(script):
    failure = script.failure(f"head -c {LIMIT_BYTES + 1} /dev/zero >> $SOMAGENT_OUTPUT")
    assert failure.message == "$SOMAGENT_OUTPUT is larger than 16 MiB; hand large data on as an artifact"


@pytest.mark.parametrize("replace", ["ln -s /etc/hostname", "mkfifo", "mkdir"])
def test_only_a_plain_file_is_read(script, replace):
    failure = script.failure(f"rm $SOMAGENT_OUTPUT; {replace} $SOMAGENT_OUTPUT")
    assert failure.failure_class == "invalid_output"
    assert "$SOMAGENT_OUTPUT" in failure.message


def test_outputs_that_are_not_declared_are_handed_on_to_be_refused(script):
    assert script("echo extra=1 >> $SOMAGENT_OUTPUT", {}) == {"extra": "1"}


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(st.dictionaries(NAMES, TEXTS, max_size=6))
def test_any_text_survives_a_heredoc(values):
    lines = []
    for name, value in values.items():
        mark = "END"
        while mark in value.split("\n"):
            mark += "_"
        lines += [f"{name}<<{mark}", value, mark]
    assert parsed("\n".join(lines)) == values


@given(st.dictionaries(NAMES, TEXTS.filter(lambda text: "\n" not in text), max_size=6))
def test_any_line_survives_a_plain_value(values):
    assert parsed("".join(f"{name}={value}\n" for name, value in values.items())) == values


@given(st.binary(max_size=200))
def test_any_bytes_are_outputs_or_a_clear_refusal(content):
    refusal = ""
    try:
        parse_answer(content)
    except AnswerRefused as refused:
        refusal = str(refused)
    assert not refusal or refusal.startswith("$SOMAGENT_OUTPUT line ")
