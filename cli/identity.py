"""Who gives a command: by the token, by the account, or by what `--as` says."""

from __future__ import annotations

import os
from argparse import Namespace

from somagent.cli.runs import data_directory
from somagent.workflows.identity import FOLDER, Person, token_of, who_acts


def acting(arguments: Namespace) -> Person:
    """The person; raises `IdentityRefused`."""
    return who_acts(
        data_directory(arguments),
        said=getattr(arguments, "person", None),
        token_file=getattr(arguments, "token_file", None),
        token=os.environ.get("SOMAGENT_TOKEN"),
    )


def proof(arguments: Namespace) -> str | None:
    """The token that says who it is, if one was given; raises `IdentityRefused`."""
    return token_of(getattr(arguments, "token_file", None), os.environ.get("SOMAGENT_TOKEN"))


def starting(arguments: Namespace) -> str:
    """Who starts a run anew; empty when nobody is named, and the data directory does not say who is at the keyboard."""
    known = (data_directory(arguments) / FOLDER).is_dir() or arguments.person or arguments.token_file
    return acting(arguments).name if known else ""


def as_name(arguments: Namespace) -> tuple[str, ...]:
    """What a command that is shown must have so that somebody else can give it; nothing where a name is not said."""
    return () if (data_directory(arguments) / FOLDER).is_dir() else ("--as", "NAME")
