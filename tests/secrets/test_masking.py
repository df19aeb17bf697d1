"""No cut of a stream lets a secret through."""

import base64
import json
import random
import re
from collections.abc import Callable
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from somagent.operators.runner.masking import MASK, Mask


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


FORMS = [
    "{}".format,
    lambda value: json.dumps({"token": value}),
    lambda value: json.dumps([value], ensure_ascii=False).replace("/", "\\/"),
    lambda value: f"https://ana:{quote(value, safe='')}@host/",
    lambda value: f"q={quote_plus(value)}&",
    lambda value: re.sub("%..", lambda match: match[0].lower(), quote(value, safe="")),
    lambda value: value.encode().hex(),
    *(lambda value, user=user: base64.b64encode(f"{user}:{value}!".encode()).decode() for user in ("a", "an", "ana")),
    *(lambda value, user=user: base64.urlsafe_b64encode(f"{user}:{value}".encode()).decode() for user in ("", "x")),
    lambda value: base64.encodebytes(f"user:{value} and more".encode()).decode(),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(12))
def test_a_value_is_found_in_each_form_however_it_is_cut(form: Callable[[str], str], seed: int) -> None:
    """Nothing as long as half the value, in the form's own letters, is left."""
    chance = random.Random(seed)
    value = "".join(chance.choices("abcXYZ019-_/+%\"'\\ü\u20ac \n", k=chance.choice((12, 40, 200))))
    text = f"before {form(value)} after".encode()
    cuts = [chance.randrange(len(text)) for _ in range(chance.randrange(8))]
    out = masked(text, [value], cuts)
    assert MASK in out
    assert out.startswith(b"before ")
    assert out.endswith(b" after")
    left = out.replace(MASK, b"").removeprefix(b"before ").removesuffix(b" after")
    alone = text.removeprefix(b"before ").removesuffix(b" after")
    assert len(left) <= len(form("")) + 12, (alone, left)


def test_a_long_key_costs_no_noticeable_time() -> None:
    key = "\n".join(f"{line:02}" * 32 for line in range(50))
    mask = Mask([key])
    assert mask.feed(b"line of a log\n" * 1000 + key.encode() + b"\n").endswith(b"\n***\n")


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
