"""The commands of `somagent` as Markdown, written from the description that the command line itself parses with."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from somagent.cli.arguments import build_parser

BEGIN, END = "<!-- commands -->\n", "<!-- end of commands -->\n"


def commands() -> str:
    """Every command with its arguments."""
    parser = build_parser()
    (choices,) = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    helps = {action.dest: action.help for action in choices._choices_actions}
    return "\n".join(line for name, one in choices.choices.items() for line in _command(name, helps[name] or "", one))


def put_in(page: str, text: str) -> str:
    """The page with the text between its marks."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}"


def _command(name: str, does: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    actions = [action for action in parser._actions if action.dest != "help"]
    positional = " ".join(_in_usage(action) for action in actions if not action.option_strings)
    yield f"### {name}\n"
    yield f"`somagent {f'{name} {positional}'.strip()}`: {does}.\n"
    if actions:
        yield "| argument | meaning |\n|---|---|"
        for action in actions:
            yield f"| {_named(action)} | {_meaning(action)} |"
        yield ""


def _value(action: argparse.Action) -> str:
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    return str(action.metavar or action.dest.upper())


def _in_usage(action: argparse.Action) -> str:
    value = _value(action)
    return {"?": f"[{value}]", "+": f"{value}..."}.get(str(action.nargs), value)


def _named(action: argparse.Action) -> str:
    takes = "" if action.nargs == 0 else f" {_value(action)}"
    name = f"{action.option_strings[-1]}{takes}" if action.option_strings else _value(action)
    return f"`{name}`".replace("|", "\\|")


def _meaning(action: argparse.Action) -> str:
    notes = [action.help or ""]
    if isinstance(action, argparse._AppendAction):
        notes.append("may be given several times")
    if action.option_strings and action.required:
        notes.append("required")
    return "; ".join(note for note in notes if note)
