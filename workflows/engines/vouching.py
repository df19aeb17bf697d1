"""Who starts, decides and cancels, found out where it is written down, so that no way in can leave it out."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from somagent.operators.names import person
from somagent.operators.runner.records import Decision
from somagent.workflows.engines.protocol import DecisionRefused
from somagent.workflows.identity import IdentityRefused, Person, on_whose_word, read_trust, who_acts


def vouched(directory: Path, decision: Decision, token: str | None) -> Decision:
    """The decision, with what the data directory lets be believed of the person; raises `DecisionRefused`.

    Where the directory trusts nothing, there is nothing to know it by, and the decision stays as it is.
    """
    try:
        who = _acting(directory, decision.by, token, "decide")
    except IdentityRefused as refused:
        raise DecisionRefused(str(refused)) from None
    return decision if who is None else replace(decision, **on_whose_word(who))


def vouched_name(directory: Path, said: str, token: str | None, what: str) -> str:
    """The name of who does something to a run, in the same way; raises `IdentityRefused`."""
    who = _acting(directory, said, token, what)
    return said if who is None else who.name


def _acting(directory: Path, said: str, token: str | None, what: str) -> Person | None:
    """None where nothing is trusted."""
    if read_trust(directory) is None:
        return None
    who = who_acts(directory, token=token)
    if person(who.name) != person(said):
        raise IdentityRefused(f"you are `{who.name}` here, and cannot {what} as `{said}`")
    return who
