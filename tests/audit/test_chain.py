"""A chain of entries: whatever is changed, taken out, put in or moved is found, and named."""

import hashlib
import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from somagent.governance.chain import chained, check_chain


def chain(*fields: dict[str, object]) -> list[bytes]:
    lines: list[bytes] = []
    for one in fields:
        lines.append(chained(lines[-1] if lines else None, one))
    return lines


FIVE = chain(*({"by": name, "n": number} for number, name in enumerate(("ana", "bo", "cy", "dan", "eve"))))


def test_an_entry_is_a_canonical_line_whose_hash_anybody_can_work_out() -> None:
    """Worked out here with nothing but the standard library."""
    entry = json.loads(FIVE[1])
    own = entry.pop("hash")
    bare = json.dumps(entry, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    assert own == "sha256:" + hashlib.sha256(bare).hexdigest()
    assert (entry["seq"], entry["prev"]) == (2, json.loads(FIVE[0])["hash"])
    assert check_chain(FIVE) == (5, json.loads(FIVE[4])["hash"], "")
    assert check_chain([]) == (0, "", "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: [*lines[:2], lines[2].replace(b"cy", b"di"), *lines[3:]], "entry 3: it was changed"),
        (lambda lines: [*lines[:2], *lines[3:]], "entry 3: it is number 4: entries were taken out or put in"),
        (lambda lines: [*lines[:2], lines[3], lines[2], lines[4]], "entry 3: it is number 4"),
        (lambda lines: [*lines, lines[4]], "entry 6: it is number 5"),
        (lambda lines: [*lines[:4], chained(lines[2], {"by": "mallory"})], "entry 5: it is number 4"),
        (lambda lines: [*chain({"by": "mallory"}), *lines[1:]], "entry 2: it does not follow the entry before it"),
        (lambda lines: [*lines[:1], b" " + lines[1]], "entry 2: it was changed"),
        (lambda lines: [*lines[:1], b"{"], "entry 2: it is not canonical JSON"),
        (lambda lines: [*lines[:1], b"[1]"], "entry 2: it has no `seq`"),
    ],
)
def test_the_first_entry_that_is_not_as_it_was_written_is_named(
    change: Callable[[list[bytes]], list[bytes]], said: str
) -> None:
    found = check_chain(change(FIVE))
    assert said in found.fault
    assert found.entries == int(said.split()[1].rstrip(":")) - 1


@settings(max_examples=50)
@given(st.data())
def test_no_byte_can_be_changed_unseen(data: st.DataObject) -> None:
    whole = b"\n".join(FIVE)
    place = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda one: one != whole[place]))
    assert check_chain((whole[:place] + bytes([other]) + whole[place + 1 :]).split(b"\n")).fault


@settings(max_examples=30)
@given(st.dictionaries(st.text(), st.text() | st.integers(-(2**53) + 1, 2**53 - 1) | st.booleans(), max_size=4))
def test_whatever_an_entry_holds_it_can_be_verified(fields: dict[str, object]) -> None:
    assert not check_chain(chain(fields, fields)).fault
