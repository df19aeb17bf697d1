"""No cut of a stream lets a secret through."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from somagent.operators.runner.secrets import MASK, Mask


def masked(content: bytes, secrets: list[str], cuts: list[int]) -> bytes:
    mask = Mask(secrets)
    bounds = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    chunks = [content[a:b] for a, b in pairwise(bounds)]
    return b"".join([*(mask.feed(chunk) for chunk in chunks), mask.end()])


def test_a_value_is_replaced_wherever_it_stands() -> None:
    assert masked(b"a s3cr3t b s3cr3ts3cr3t", ["s3cr3t"], []) == b"a *** b ******"


def test_a_value_is_found_as_json_writes_it_and_line_by_line() -> None:
    assert masked(b'{"a": "x\\"y\\nlong line"}', ['x"y\nlong line'], []) == b'{"a": "***"}'
    assert masked(b"only long line here", ['x"y\nlong line'], []) == b"only *** here"


def test_without_secrets_nothing_is_held_back() -> None:
    assert Mask([]).feed(b"abc") == b"abc"


@given(
    st.lists(st.text("ab", min_size=2, max_size=5), min_size=1, max_size=3),
    st.lists(st.sampled_from([b"a", b"b", b"c", b"ab", b"ba"]), max_size=30).map(b"".join),
    st.lists(st.integers(0, 60), max_size=12),
)
def test_however_a_stream_is_cut_no_value_comes_out(secrets: list[str], content: bytes, cuts: list[int]) -> None:
    """Every chunk that is let out, and all of them together, are free of every value."""
    out = masked(content, secrets, cuts)
    assert [secret for secret in secrets if secret.encode() in out.replace(MASK, b"\0")] == []


@given(st.binary(max_size=60).filter(lambda b: b"zz" not in b), st.lists(st.integers(0, 60), max_size=12))
def test_what_holds_no_value_comes_out_unchanged(content: bytes, cuts: list[int]) -> None:
    assert masked(content, ["zzz", "zzy"], cuts) == content
