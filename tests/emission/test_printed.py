"""Of what a container prints, a step's own lines are shown, and none of what Argo's program in it says."""

from __future__ import annotations

import pytest

from somagent.workflows.engines.argo.outputs import Printed

# As the log of a container on Argo 4.0.7 had them.
START = b'time=2026-11-30T07:57:36.041Z level=INFO msg="capturing logs" argo=true\n'
END = (
    b'time=2026-11-30T07:57:39.041Z level=INFO msg="sub-process exited" argo=true error="exit status 2"\n'
    b'time=2026-11-30T07:57:39.041Z level=INFO msg="no need to save" argo=true src=/somagent/answers/phase\n'
    b'time=2026-11-30T07:57:39.042Z level=INFO msg="no need to save" src=/somagent/answers/seconds argo=true\n'
    b"Error: exit status 2\n"
)


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    ("own", "shown"),
    [
        (b"one\ntwo\n", b"one\ntwo\n"),
        (b"one\nhalf", b"one\nhalf"),
        (b"Error: exit status 7\nstill here\n", b"Error: exit status 7\nstill here\n"),
        (b"time=now level=INFO msg=mine\n", b"time=now level=INFO msg=mine\n"),
        (b"", b""),
    ],
)
def test_only_lines_of_the_step_are_left(own: bytes, shown: bytes, size: int) -> None:
    whole, printed = START + own + END, Printed()
    pieces = (whole[start : start + size] for start in range(0, len(whole), size))
    assert b"".join(map(printed.of_step, pieces)) == shown
