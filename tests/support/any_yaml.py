"""Strategies: documents as people write them, in every style that YAML has, with comments wherever they may stand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

PLAIN = st.sampled_from(["a", "two words", "1", "true", "a:b", "x#y", "é", "漢字", "400k", "${{ inputs.x }}", "-1", ""])
TEXT = st.text(st.sampled_from("ab \n\"'\\:#-{}[],\té漢"), max_size=12)
COMMENT = st.sampled_from(["# c", "#", "#- a: b", "# { [ '", '# "|', "# x # y", "# 漢", "#\ttab"])
KEY = st.sampled_from(["a", "b", "long_key", '"quoted"', "'single'", "'it''s'", "with space", "é"])
Draw = Callable[[Any], Any]


@st.composite
def documents(draw: Draw) -> str:
    """A document whose root is a mapping."""
    return Writer(draw).document()


class Writer:
    """Writes one document, each choice drawn."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw

    def document(self) -> str:
        head = self.draw(st.sampled_from(["", "", "# head\n", "# head\n\n\n", "---\n", "--- # c\n", "\n\n"]))
        if self.chance(9):
            body = self.flow(3, 2) + self.end()
        else:
            body = self.mapping(self.draw(st.sampled_from([0, 0, 0, 2])), 3)
        tail = self.draw(
            st.sampled_from(["", "", "# tail\n", "\n\n  # tail\n", "      # deep tail", "...\n", "\n\n\n"])
        )
        text = head + body + tail
        return text.rstrip("\n") if self.chance(9) else text

    def chance(self, one_in: int) -> bool:
        return bool(self.draw(st.integers(0, one_in)) == one_in)

    def end(self) -> str:
        """The end of a line, and what may stand between two."""
        out = self.draw(st.sampled_from(["", "", "", " ", "  # eol"])) + "\n"
        while self.chance(5):
            out += self.draw(st.sampled_from(["\n", "   \n", "# at the left\n"]))
            out += " " * self.draw(st.integers(0, 9)) + self.draw(COMMENT) + "\n" if self.chance(1) else ""
        return out

    def mapping(self, indent: int, depth: int) -> str:
        keys = self.draw(st.lists(KEY, min_size=1, max_size=3, unique_by=lambda key: key.strip("'\"")))
        return "".join(f"{' ' * indent}{key}:{self.value(indent, depth, in_mapping=True)}" for key in keys)

    def sequence(self, indent: int, depth: int) -> str:
        out = ""
        for _ in range(self.draw(st.integers(1, 3))):
            out += f"{' ' * indent}-"
            if depth and self.chance(2):
                gap = self.draw(st.integers(1, 3))
                inner = indent + 1 + gap
                write = self.mapping if self.chance(1) else self.sequence
                out += " " * gap + write(inner, depth - 1)[inner:]
            else:
                out += self.value(indent, depth, in_mapping=False)
        return out

    def value(self, indent: int, depth: int, *, in_mapping: bool) -> str:
        kind = self.draw(st.integers(0, 7 if depth else 4))
        if kind >= 6:
            inner = indent + self.draw(st.integers(1, 4))
            return self.end() + self.mapping(inner, depth - 1)
        if kind == 5:
            inner = indent + self.draw(st.integers(0 if in_mapping else 1, 4))
            return self.end() + self.sequence(inner, depth - 1)
        if kind == 4:
            return self.literal(indent)
        if kind == 3:
            return self.broken(indent) + self.flow(depth, indent + 1) + self.end()
        if kind == 2:
            return self.broken(indent) + self.quoted(indent) + self.end()
        plain = self.draw(PLAIN)
        if plain == "two words" and self.chance(1):
            plain = f"two\n{self.draw(st.sampled_from(['', chr(10)]))}{' ' * (indent + 3)}words"
        return f" {plain}" + self.end() if plain else self.end()

    def broken(self, indent: int) -> str:
        """A blank, or a line break before the value."""
        return self.end() + " " * (indent + 2) if self.chance(6) else " "

    def quoted(self, indent: int) -> str:
        text = self.draw(TEXT)
        if "\n" not in text and "\t" not in text and self.chance(1):
            return "'" + text.replace("'", "''") + "'"
        written = json.dumps(text, ensure_ascii=False)
        if " " in written and self.chance(1):
            break_ = self.draw(st.sampled_from(["\\\n", "\n", "\n\n", "  \n"])) + " " * (indent + 2)
            return written.replace(" ", break_, 1) if written[1] != " " else written
        return written

    def flow(self, depth: int, indent: int) -> str:
        opening, closing = ("{", "}") if self.chance(1) else ("[", "]")
        parts = []
        keys = self.draw(st.lists(KEY, max_size=4, unique_by=lambda key: key.strip("'\"")))
        for key in keys:
            value = self.flow(depth - 1, indent) if depth and self.chance(3) else self.draw(PLAIN) or '""'
            value = self.quoted(indent) if self.chance(5) else value
            value = "'" + "long " * 12 + "'" if self.chance(9) else value
            parts.append(self.space(indent) + (f"{key}: {value}" if opening == "{" else value) + self.space(indent))
        return opening + ",".join(parts) + self.space(indent) + closing

    def space(self, indent: int) -> str:
        """White space inside a flow collection."""
        out = ""
        while self.chance(7):
            out += self.draw(st.sampled_from([" # in\n", "\n", "\n\n", "  "])) + " " * indent
        return out or self.draw(st.sampled_from(["", " "]))

    def literal(self, indent: int) -> str:
        style = self.draw(st.sampled_from("|>")) + self.draw(st.sampled_from(["", "", "-", "+"]))
        lines = self.draw(st.lists(st.sampled_from(["x", "y # no", " deeper", "", "  ", "- a: b"]), max_size=4))
        firm = [line for line in lines if line.strip()]
        step = self.draw(st.integers(1, 5))
        explicit = bool(firm and firm[0].startswith(" ")) or "  " in lines or self.chance(5)
        header = style[0] + (str(step) if explicit else "") + style[1:]
        inner = " " * (indent + step)
        comment = " # header\n" if self.chance(5) else "\n"
        return f" {header}" + comment + "".join(inner + line + "\n" if line else "\n" for line in lines)
