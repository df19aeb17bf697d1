"""Exit codes, the same for every command, and the errors that lead to them.

0    done; the run succeeded
1    the run failed, or the capsule has errors; `check`: also what `--deny-warnings` and `--diff` are asked to find
2    the command line, an input or a file that it names is wrong
3    the run is parked: it waits for people
4    the run was cancelled
5    the data directory, store, cluster or server cannot be used: held, damaged, full, not permitted, or not reached
130  stopped with Ctrl-C (143: by SIGTERM or a closed terminal); the run can be gone on with
70   a fault of SomaGent itself
"""

from __future__ import annotations

from enum import IntEnum

from somagent.operators.runner.records import Phase


class Exit(IntEnum):
    """What a command's exit says."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PARKED = 3
    CANCELLED = 4
    STORAGE = 5
    FAULT = 70
    INTERRUPTED = 130
    TERMINATED = 143


class UserError(Exception):
    """Something that the user can mend; the message says what and how."""

    def __init__(self, message: str, exit_code: Exit = Exit.USAGE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


_OF_PHASE: dict[Phase, Exit] = {
    "Succeeded": Exit.OK,
    "Waiting": Exit.PARKED,
    "Cancelled": Exit.CANCELLED,
}


def exit_of(phase: Phase) -> Exit:
    """The exit of a command that ends with a run in this phase."""
    return _OF_PHASE.get(phase, Exit.FAILED)
