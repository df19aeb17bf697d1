"""How the program ends: what an engine needs to know, and nothing more. The rest is in the ledger."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes. AGAIN asks for another attempt of a step that failed; whether there may be one is decided before."""

    DONE = 0  # it succeeded, was skipped, or waits for people: the answer `phase` says which
    REFUSED = 64  # the program was started wrongly, or the run is another one (EX_USAGE)
    FAILED = 70  # for good
    OMITTED = 71  # something that it needs keeps it from running
    CANCELLED = 72  # the run was stopped
    UNREACHABLE = 74  # the store does not answer, or the disk takes no more (EX_IOERR); another try may find it well
    AGAIN = 75  # it failed, and is to be tried again (EX_TEMPFAIL)
    STOPPED = 143  # it was told to end (SIGTERM), and nobody stopped the run: another one takes its place


# The program says by these that there is nothing more to be tried; 1 and 2 are Python's, of a program that is not what
# it should be. Whatever else ends its process, before it began or beside it, says nothing of the step.
FOR_GOOD = (1, 2, Exit.REFUSED, Exit.FAILED, Exit.OMITTED, Exit.CANCELLED)
