"""What steps write is shown while they write it and from their records: each line once, and all of them."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from somagent.operators.runner.contents import Contents
from somagent.operators.runner.log import StepLog
from somagent.operators.runner.records import StepKey
from somagent.workflows.engines.objects import names
from somagent.workflows.engines.objects.bucket import Bucket
from somagent.workflows.engines.objects.driver import Output
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.objects.origin import BucketContents
from somagent.workflows.engines.objects.written import Shown, Written

AT = datetime(2026, 11, 30, 7, 12, tzinfo=UTC)
KEY = StepKey("r-1", "a")


@given(st.lists(st.binary(max_size=20)), st.integers(min_value=0))
def test_what_was_cut_off_anywhere_is_told_by_the_record(pieces: list[bytes], cut: int) -> None:
    shown = Shown()
    seen = b"".join(shown.more(piece) for piece in pieces[: cut % (len(pieces) + 1)])
    assert not seen or seen.endswith(b"\n")
    assert seen + shown.left_of(b"".join(pieces)) == b"".join(pieces)


def test_a_record_without_its_middle_goes_on_behind_what_was_shown(tmp_path):
    lines = [b"line %d\n" % number for number in range(200_000)]
    log = StepLog(tmp_path / "log")
    log.write(b"".join(lines))
    log.close()
    record = (tmp_path / "log").read_bytes()
    for count in (10, 100_000, 199_990, 200_000):
        shown = Shown()
        shown.more(b"".join(lines[: count // 2]))
        shown.more(b"".join(lines[count // 2 : count]))
        left = shown.left_of(record)
        if count == 100_000:  # of what is left out
            cut = record.index(b"\n[")
            assert left == record[record.rindex(b"\n", 0, cut) + 1 :]
        else:
            assert left.endswith(b"".join(lines[max(count, 199_000) :]))
            assert b"line %d\n" % (count - 1) not in left


@pytest.fixture
def ledger(tmp_path) -> ObjectLedger:
    bucket = Bucket(f"{os.environ.get('OBJECTS', f'file://{tmp_path}/bucket')}/{os.urandom(4).hex()}")
    return ObjectLedger(bucket, Contents(tmp_path / "contents", origin=BucketContents(bucket)), lambda: AT)


def test_lines_are_shown_at_once_and_the_record_adds_what_was_missed(ledger):
    written = Written(ledger, "r-1")

    async def listed() -> list[str]:
        return await ledger.bucket.names(names.top_folder("r-1"))

    def said() -> list[tuple[int, str]]:
        return [(one.attempt, one.text) for one in written.taken()]

    async def main():
        first = await ledger.begin(KEY, AT)
        await written.add(Output(KEY, AT, b"one\ntw"))
        assert said() == [(1, "one\n")]
        await written.add(Output(KEY, AT, b"o\nthr"))
        assert said() == [(1, "two\n")]
        await ledger.end(replace(first, ended_at=AT, phase="Failed"))
        await ledger.keep_log(KEY, 1, b"one\ntwo\nthree\nfour")
        await written.read(await listed())
        assert said() == [(1, "three\nfour")]
        later = AT + timedelta(seconds=10)
        await ledger.begin(KEY, later)
        await written.add(Output(KEY, AT, b"ee\nfour"))  # late, of the first
        await written.add(Output(KEY, later, b"again\n"))
        await ledger.keep_log(StepKey("r-1.a", "b"), 1, b"of no attempt\n")
        await written.read(await listed())
        assert said() == [(2, "again\n")]
        await ledger.leave()

    asyncio.run(main())
