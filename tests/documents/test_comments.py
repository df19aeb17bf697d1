"""A `#` begins a comment exactly where YAML says so."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import event, given, settings
from hypothesis import strategies as st
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from somagent.governance.documents import Source, comments


def found(text: str) -> list[str]:
    return [text[span.start : span.end] for span in comments(Source("a.yaml", text))]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("# a\nk: v # b\n# c", ["# a", "# b", "# c"]),
        ('k: v#no\nl: \'x # no\'\nm: "x # no \\" # no" # yes\n', ["# yes"]),
        ("k: | # yes\n  # no\n  x # no\n# yes too\n", ["# yes", "# yes too"]),
        ("k: >2-\n\n   # no\n\n  # no\n l: v\n", []),
        ("k: [a, # yes\n  b#no, '#no'] # yes too\n", ["# yes", "# yes too"]),
        ("k: a\n  b # ends the text\n", ["# ends the text"]),
        ("k: 'a\n  # no\n  b'\n", []),
        ("%YAML 1.2 # yes\n--- # and\nk: v\n... # so\n# on\n", ["# yes", "# and", "# so", "# on"]),
        ("k: v # windows\r\nl: w\r\n", ["# windows"]),
        ("ü: ö # ä\n", ["# ä"]),
        ("", []),
        ("#", ["#"]),
        ("k: v # read\n  l: 'open # not read\n", ["# read"]),
    ],
)
def test_comments_are_found_where_yaml_has_them(text: str, wanted: list[str]) -> None:
    assert found(text) == wanted


class Watched(Reader, Scanner, Parser):
    """PyYAML's own reader in Python, which writes down where in a line it passes over a comment."""

    def __init__(self, text: str) -> None:
        self.begins: dict[int, int] = {}
        self.passing = False
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def forward(self, length: int = 1) -> None:
        if self.passing and self.peek() == "#":
            self.begins.setdefault(self.line, self.index)
        super().forward(length)

    def _pass(self, scan: Any, *given: Any) -> None:
        self.passing = True
        scan(*given)
        self.passing = False

    def scan_to_next_token(self) -> None:
        self._pass(super().scan_to_next_token)

    def scan_block_scalar_ignored_line(self, start_mark: Any) -> None:
        self._pass(super().scan_block_scalar_ignored_line, start_mark)

    def scan_directive_ignored_line(self, start_mark: Any) -> None:
        self._pass(super().scan_directive_ignored_line, start_mark)


PIECES = [
    *("#", "# c", " # c\n", "\n", "\n\n", "\n  ", "\n    ", "\r\n", "  # not always\n", " ", "a", "b#c", "ü", "\\"),
    *("k: ", "- ", ": ", "? ", "'", '"', "'x # y'", '"x # \\" y"', "|\n", "|2-", ">+ # c\n", "[", "]", "{", "}", ", "),
    *(
        "&x ",
        "!t ",
        "*x ",
        "---",
        "\n---\n",
        "\n...\n",
        "%YAML 1.2",
        "k: |\n  a\n",
        "k:\n  - a # c\n",
        "k: [a, # c\n b]",
    ),
]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=24).map("".join))
def test_comments_are_those_that_the_scanner_of_pyyaml_passes_over(text: str) -> None:
    watched = Watched(text)
    read = True
    try:
        while watched.check_event():
            watched.get_event()
        list(yaml.parse(text, Loader=yaml.CSafeLoader))
    except yaml.YAMLError:
        read = False
    mine = {span.start for span in comments(Source("a.yaml", text))}
    if read:
        event("both read it")
        assert mine == set(watched.begins.values())
    else:
        assert all(text[at] == "#" for at in mine)
