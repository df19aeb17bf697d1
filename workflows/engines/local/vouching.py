"""Who decides, found out where the decision is written down, so that no way in can leave it out."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from somagent.operators.names import person
from somagent.operators.runner.records import Decision
from somagent.workflows.engines.protocol import DecisionRefused
from somagent.workflows.identity import IdentityRefused, on_whose_word, read_trust, who_acts


def vouched(directory: Path, decision: Decision, token: str | None) -> Decision:
    """The decision, with what the data directory lets be believed of the person; raises `DecisionRefused`.

    Where the directory trusts nothing, there is nothing to know it by, and the decision stays as it is.
    """
    try:
        if read_trust(directory) is None:
            return decision
        who = who_acts(directory, token=token)
    except IdentityRefused as refused:
        raise DecisionRefused(str(refused)) from None
    if person(who.name) != person(decision.by):
        raise DecisionRefused(f"you are `{who.name}` here, and cannot decide as `{decision.by}`")
    return replace(decision, **on_whose_word(who))
