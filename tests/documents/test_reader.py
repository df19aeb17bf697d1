"""Documents are read strictly and within bounds, and every fault has its place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from somagent.governance.documents import MAX_MISTAKES, Diagnostic, Source, decode_source, read_yaml, scalars
from somagent.governance.documents.yaml_reader import MAX_BYTES, MAX_DEPTH

Fault = tuple[str, str]


def read(content: str | bytes) -> tuple[object, list[Fault]]:
    """The plain value and each fault with the text at its place."""
    source, found = decode_source("a.yaml", content if isinstance(content, bytes) else content.encode())
    root = None
    if not found:
        root, found = read_yaml(source)
    return (
        root.plain() if root is not None else None,
        [(one.name, source.text[one.span.start : one.span.end]) for one in found],
    )


def faults(content: str | bytes) -> list[Fault]:
    return read(content)[1]


def test_values_come_as_python_has_them() -> None:
    value, found = read("a: [1, 2.5, x, true, null, '3', ~, 0x10]\nb: { c: d }\n")
    assert found == []
    assert value == {"a": [1, 2.5, "x", True, None, "3", None, 16], "b": {"c": "d"}}


@pytest.mark.parametrize(
    "text", ["a: 1", "a: 1\n", "\ufeffa: 1\n", "a: 1\r\n", "--- \na: 1\n...\n", "%YAML 1.2\n---\na: 1"]
)
def test_a_byte_order_mark_line_ends_and_document_marks_change_nothing(text: str) -> None:
    assert read(text) == ({"a": 1}, [])


def test_a_byte_order_mark_moves_no_column() -> None:
    source, _ = decode_source("a.yaml", "\ufeffa: no\n".encode())
    (mistake,) = read_yaml(source)[1]
    assert source.position(mistake.span.start) == (1, 4)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", [("empty-document", "")]),
        ("# nothing\n", [("empty-document", "")]),
        ("---\n", [("empty-document", "")]),
        ("a: 1\n---\nb: 2\n", [("several-documents", "---")]),
        ("a: 1\na: 2\n", [("duplicate-key", "a")]),
        ("'a': 1\n\"a\": 2\n", [("duplicate-key", '"a"')]),
        ("1: a\n", [("key-not-text", "1")]),
        ("true: a\n", [("key-not-text", "true")]),
        ("~: a\n", [("key-not-text", "~")]),
        ("? [a]\n: b\n", [("key-not-text", "[a]")]),
        ("? { a: b }\n: c\n", [("key-not-text", "{ a: b }")]),
        ("<<: { a: 1 }\n", [("merge-key", "<<")]),
        ("'<<': { a: 1 }\n", []),
        ("a: &b 1\nc: 2\n", [("yaml-alias", "&b")]),
        ("a: &b 1\nc: *b\n", [("yaml-alias", "&b"), ("yaml-alias", "*b")]),
        ("a: !!str 1\n", [("yaml-tag", "!!str")]),
        ("a: !mine { b: 1 }\n", [("yaml-tag", "!mine")]),
        ("a: !<tag:yaml.org,2002:int> &x 1\n", [("yaml-tag", "!<tag:yaml.org,2002:int>"), ("yaml-alias", "&x")]),
        ("a: !\n  b: 1\n", [("yaml-tag", "!")]),
        ("a: .inf\nb: -.INF\nc: .nan\n", [("number-not-finite", t) for t in (".inf", "-.INF", ".nan")]),
        ("a: 9007199254740991\nb: -9007199254740991\n", []),
        ("a: 9007199254740992\n", [("number-too-large", "9007199254740992")]),
        ("a: " + "9" * 10_000 + "\n", [("number-too-large", "9" * 10_000)]),
        ("a: \x07\n", [("control-character", "\x07")]),
        ("a: '\x00'\n", [("control-character", "\x00")]),
        ("a: \x85 \u2028 \u2029\n", [("control-character", c) for c in "\x85\u2028\u2029"]),
        ("a: \u202e\u2066\n", [("control-character", c) for c in "\u202e\u2066"]),
        ("a: b\rc: d\n", [("control-character", "\r")]),
        ("a: x\ufeff\n", [("control-character", "\ufeff")]),
        ("a: \ufffe\n", [("control-character", "\ufffe")]),
        ("a: 👩‍🚀 \u200f ok\n", []),
        ("a: [1, 2\n", [("yaml-syntax", "")]),
        ("a: 'x\n", [("yaml-syntax", "'")]),
        ('a: "\\q"\n', [("yaml-syntax", "\\q")]),
        ("a:\n\tb: 1\n", [("yaml-syntax", "\t")]),
        ("a: b: c\n", [("yaml-syntax", ":")]),
        ("a: @b\n", [("yaml-syntax", "@")]),
        (b"a: \xff\n", [("not-utf-8", "\ufffd")]),
        (b"\xef\xbb\xbfa: \xc3\xa9 \xc3\n", [("not-utf-8", "\ufffd")]),
        (b"\xff\xfea\x00:\x00", [("not-utf-8", "\ufffd")]),
        (b"a: \xed\xa0\x80\n", [("not-utf-8", "\ufffd")]),
    ],
)  # fmt: skip
def test_each_fault_is_found_at_its_place(content: str | bytes, found: list[Fault]) -> None:
    assert faults(content) == found


def test_a_duplicate_key_shows_the_first_one() -> None:
    source, _ = decode_source("a.yaml", b"one: 1\ntwo: 2\none: 3\n")
    (mistake,) = read_yaml(source)[1]
    assert [source.position(label.span.start) for label in mistake.labels] == [(1, 1)]
    assert source.position(mistake.span.start) == (3, 1)


def test_all_faults_are_found_at_once() -> None:
    found = faults("a: no\nb: &x 1\nb: !t 2\n3: .nan\n<<: 010\n")
    assert [name for name, _ in found] == [
        "yaml-ambiguous", "yaml-alias", "yaml-tag", "duplicate-key", "number-not-finite", "key-not-text",
        "yaml-ambiguous", "merge-key",
    ]  # fmt: skip


def test_a_document_of_the_largest_size_is_read_and_one_byte_more_is_not() -> None:
    largest = b"a: " + b"x" * (MAX_BYTES - 4) + b"\n"
    assert faults(largest) == []
    assert [name for name, _ in faults(largest + b"\n")] == ["document-too-large"]


def test_the_deepest_document_is_read_and_one_level_more_is_not() -> None:
    assert faults("[" * MAX_DEPTH + "]" * MAX_DEPTH) == []
    assert [name for name, _ in faults("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))] == ["yaml-too-deep"]
    assert [name for name, _ in faults("[" * 100_000)] == ["yaml-too-deep"]
    assert [name for name, _ in faults("{a: " * 100_000)] == ["yaml-too-deep"]
    assert [name for name, _ in faults("- " * 100_000)] == ["yaml-too-deep"]


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 100)]
    assert {name for name, _ in faults("\n".join(lines))} == {"yaml-alias"}


def test_of_endless_mistakes_a_bounded_number_is_said() -> None:
    assert len(faults("[" + "no, " * 100_000 + "]")) == MAX_MISTAKES
    assert len(faults("a: '" + "\x07" * 100_000 + "'")) == MAX_MISTAKES


def test_what_libyaml_says_of_its_faults_is_told_in_an_authors_words() -> None:
    for text, message in {
        "a:\n  - b\n c: d\n": "this line does not continue the mapping",
        "a: {b: c\n": "`,` or `}` is missing in this mapping",
        "a: [b c: d}\n": "`,` or `]` is missing in this list",
        "a: 'x\n": "this text is never closed",
        'a: "\\u12"\n': "this is not an escape",
        "a: `b`\n": "plain text cannot begin with a backquote",
        "a: %b\n": "plain text cannot begin with `%`",
        "a: b\nc\n": "this line has no `: `",
        "a: {b: c}}\n": "`}` closes nothing",
    }.items():
        (mistake,) = _diagnostics(text)
        assert mistake.message == message, text
        assert mistake.help, text


def _diagnostics(text: str) -> list[Diagnostic]:
    return read_yaml(decode_source("a.yaml", text.encode())[0])[1]


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(max_examples=400, deadline=2000)
def test_no_bytes_make_it_fail(content: bytes) -> None:
    source, found = decode_source("a.yaml", content)
    if not found:
        root, found = read_yaml(source)
        assert root is not None or found
    assert all(0 <= one.span.start <= one.span.end <= len(source.text) + 1 for one in found)


@given(
    st.lists(
        st.sampled_from([*"abn01:-?[]{},&*!|>'\"%@`# \n\t.~<=_", "\r\n", "yes", "é", "- ", ": "]), max_size=60
    ).map("".join)
)
@settings(max_examples=600, deadline=2000)
def test_no_text_that_looks_like_yaml_makes_it_fail(text: str) -> None:
    source, found = decode_source("a.yaml", text.encode())
    root, found = read_yaml(source) if not found else (None, found)
    assert root is not None or found
    for node in scalars(root) if root is not None else ():
        assert 0 <= node.span.start <= node.span.end <= len(source.text)


UNQUOTED = """\
a: { b: ${{ inputs.x }}, c: "${{ y }}", d: pre-${{ z }}-post, e: ['${{ v }}', ${{ ["w", 'x'] }}] } # ${{ u }}
if: a == "x" ? b : c # why
f: ${{ a ? 'b' : 'c' }}
g: "${{ a ? 'b' : 'c' }}"
"""


def test_values_that_lack_only_quotes_are_all_said_and_their_edits_make_it_yaml() -> None:
    source = Source("a.yaml", UNQUOTED)
    root, found = read_yaml(source)
    assert root is None
    assert [UNQUOTED[one.span.start : one.span.end] for one in found] == [
        "${{ inputs.x }}",
        "pre-${{ z }}-post",
        """${{ ["w", 'x'] }}""",
        'a == "x" ? b : c',
        "${{ a ? 'b' : 'c' }}",
    ]
    text = UNQUOTED
    for one in reversed(found):
        assert one.edit is not None
        assert one.edit.safe
        text = text[: one.edit.span.start] + one.edit.text + text[one.edit.span.end :]
    root, found = read_yaml(Source("a.yaml", text))
    assert found == []
    assert root is not None
    assert root.plain() == {
        "a": {
            "b": "${{ inputs.x }}",
            "c": "${{ y }}",
            "d": "pre-${{ z }}-post",
            "e": ["${{ v }}", """${{ ["w", 'x'] }}"""],
        },
        "if": 'a == "x" ? b : c',
        "f": "${{ a ? 'b' : 'c' }}",
        "g": "${{ a ? 'b' : 'c' }}",
    }


@pytest.mark.parametrize("text", ["a: b: c\n", "a: [b: c: d]\n", "a: { b: 'x: ${{ y }}' c }\n", "a: { b c: [ }\n"])
def test_what_lacks_more_than_quotes_has_no_edit(text: str) -> None:
    root, found = read_yaml(Source("a.yaml", text))
    assert (root, [one.edit for one in found]) == (None, [None])
