"""What helps against a failure: where its class says it, or the sentence that was written down with it.

A failure keeps its class and its sentence only, so ends of scripts are told by how `operators.script.failures` begins.
"""

from __future__ import annotations

import re

from somagent.operators.runner.records import Failure, FailureClass

_OF_CLASS: dict[FailureClass, str] = {
    "timeout": "give it longer (`timeout`) or less to do",
    "invalid_output": "make it answer what its `outputs` declare, or declare what it answers",
    "denied": "a rule or a person said no: change what the step does, or ask those who own the rule",
    "budget": "raise the `budget`, or spend less",
    "resources": "raise the step's `resources`, or have it use less",
}
_OF_SENTENCE: tuple[tuple[FailureClass, str, str], ...] = (
    (
        "denied",
        r"holds the value of a secret",
        "keep the secret out of all that the step gives: outputs, artifacts and their names; its log masks it",
    ),
    ("denied", r"granted to (this|the) step$", "name the step in the secret's `grantTo`, if it may have it"),
    (
        "error",
        r"exit code 126\b",
        "the program is there and could not be started: `chmod +x` it, or name what runs it (`bash FILE`)",
    ),
    (
        "error",
        r"exit code 127\b",
        "a program was not found: check its name, and that it is installed where the step runs and on its PATH",
    ),
    (
        "error",
        r"(exit code 137\b|killed by SIGKILL)",
        "it was ended from outside, mostly because memory ran out: have it use less, or bound it (`resources`)",
    ),
    (
        "error",
        r"(exit code 139\b|killed by SIGSEGV|exit code 134\b|killed by SIGABRT)",
        "a program in it crashed: try it by itself with the same input, or another version of it",
    ),
    (
        "error",
        r"(exit code 141\b|killed by SIGPIPE)",
        "a pipe's reader ended before its writer, as `| head` does: read all (`| sed -n 1,9p`), or add `|| true`",
    ),
    ("error", r"(exit code 143\b|killed by SIGTERM)", "it was ended from outside: find out by whom, or run it again"),
    ("error", r"operator `.*` is not installed here$", "install the package that it comes with, where the run goes on"),
    ("error", r"it filled the disk: ", "have it write less, make room, or bound its files (`resources: { fileSize }`)"),
)


def what_helps(failure: Failure) -> str:
    """In words; empty where only the step's log says it."""
    for failure_class, sentence, helps in _OF_SENTENCE:
        begins = re.match if failure_class == "error" else re.search
        if failure.failure_class == failure_class and begins(sentence, failure.message):
            return helps
    return _OF_CLASS.get(failure.failure_class, "")
