"""What a script's end says about it: the class of its failure, and the sentence that people read."""

from __future__ import annotations

import errno
import os
import re
import signal
from collections.abc import Sequence

from msgspec import UNSET

from somagent.operators.operator import StepFailure
from somagent.operators.script.limits import Limits
from somagent.operators.script.process import Ended

TEMPORARY_FAILURE = 75  # EX_TEMPFAIL of sysexits.h
_SENTENCES = 3
_SHELLS = 128  # a shell says 128 + N when signal N ended its last program
_NO_MEMORY = re.compile(r"MemoryError|bad_alloc|out of memory|cannot allocate memory", re.IGNORECASE)
_NO_PROCESS = re.compile(re.escape(os.strerror(errno.EAGAIN)), re.IGNORECASE)
_FILE_TOO_LARGE = re.compile(re.escape(os.strerror(errno.EFBIG)), re.IGNORECASE)


def failure_of(ended: Ended, limits: Limits, remarks: Sequence[str] = ()) -> StepFailure:
    """The failure of a script that did not end with 0; `remarks` are sentences without a full stop."""
    if ended.beyond:
        return StepFailure("resources", f"it {ended.beyond} and was ended")
    if limits.said.file_size and _signal_of(ended.code) == signal.SIGXFSZ:
        return StepFailure("resources", f"it wrote a file of more than {limits.said.file_size} and was ended")
    said = f": {ended.last_complaint}" if ended.last_complaint else ""
    said += "".join(f" ({sentence})" for sentence in remarks[:_SENTENCES])
    how = f"exit code {ended.code}" if ended.code > 0 else f"killed by {_signal_name(-ended.code)}"
    if limit := _limit_met(ended, limits):
        return StepFailure("resources", f"{how}{said} ({limit})")
    if ended.code == TEMPORARY_FAILURE:
        return StepFailure("transient", f"exit code {TEMPORARY_FAILURE} (try again){said}")
    if _signal_of(ended.code) == signal.SIGKILL and ended.memory_ran_out:
        return StepFailure("resources", f"{how}, because this machine ran out of memory{said}")
    hint = " (by somebody, or because memory ran out)" if ended.code == -signal.SIGKILL else ""
    return StepFailure("error", f"{how}{hint}{said}")


def _limit_met(ended: Ended, limits: Limits) -> str:
    """What the step may have, if its last words are that it wanted more and did not get it."""
    said = limits.said
    if said.file_size and _FILE_TOO_LARGE.search(ended.last_complaint) is not None:
        return f"a file that it writes may have {said.file_size}"
    if said.processes is not UNSET and _NO_PROCESS.search(ended.last_complaint) is not None:
        return f"it may have {said.processes} processes"
    if said.memory and _NO_MEMORY.search(ended.last_complaint) is not None:
        return f"it may use {said.memory} of memory"
    return ""


def _signal_of(code: int) -> int:
    return -code if code < 0 else code - _SHELLS


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have none
        return f"signal {number}"
