"""What an editor asks of a text while it is written, and pictures of what can be planned."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from somagent.capsule_compiler import analysis
from somagent.capsule_compiler.analysis.schemas import Schemas
from somagent.capsule_compiler.compile import Compilation
from somagent.capsule_compiler.draft import Given
from somagent.capsule_compiler.plan import Plan
from somagent.cli.lsp.positions import Lines
from somagent.governance.documents import Edit, Span
from somagent.workflows.graph import FORMATS, render_graph

PLACES = 6
_Asked = ParamSpec("_Asked")
_Answer = TypeVar("_Answer")


class Editor:
    """Questions at random places of a text; `hold` gives a text of all answers."""

    def __init__(self, given: Given, must: Callable[[object, str], None], ended: Callable[[float], None]) -> None:
        self.given, self.must, self.ended = given, must, ended
        self.schemas = Schemas(given.language)

    def timed(self, ask: Callable[_Asked, _Answer], *given: _Asked.args, **named: _Asked.kwargs) -> _Answer:
        """The answer to one question; how long it took is told."""
        start = time.process_time()
        answer = ask(*given, **named)
        self.ended(start)
        return answer

    def hold(self, name: str, content: bytes, turn: int, compile_: Callable[[bytes], Compilation]) -> str:
        """`turn` chooses the places; half of the texts are looked at as the next state of one that could be read."""
        last = None
        if turn % 32 >= 16:
            head = b"apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: a }\nspec:\n"
            last = analysis.analyse(name, head + b"  steps: { a: { script: { run: a } } }\n", self.given)
        now = self.timed(analysis.analyse, name, content, self.given, last)
        text = now.source.text
        lines = Lines(text, "utf-16")
        told = [
            repr(self.timed(analysis.symbols, now)),
            repr(self.timed(analysis.occurrences, now.draft)),
            repr(self.timed(analysis.type_lines, now.draft)),
        ]
        rng = random.Random(turn)
        signs = [at + 1 for at, sign in enumerate(text[:20_000]) if sign in ".{:[ "]
        for _ in range(PLACES):
            at = rng.choice(signs) if signs and rng.random() < 0.7 else rng.randint(0, len(text))
            self.must(lines.offset(lines.position(at)) == at or text[at - 1 : at + 1] == "\r\n", f"{at} is a place")
            told.append(repr(self.timed(analysis.hover, now, self.schemas, at)))
            told.extend(map(repr, self.timed(analysis.completions, now, self.schemas, at)))
            told.append(repr(self.timed(analysis.definition, now, at)))
            told.append(repr(len(self.timed(analysis.references_at, now, at))))
        told.append(self._renamed(now, rng, compile_))
        return "".join(told)

    def _renamed(self, now: analysis.Analysis, rng: random.Random, compile_: Callable[[bytes], Compilation]) -> str:
        known = analysis.occurrences(now.draft) if now.current else []
        if not known:
            return ""
        try:
            edits = analysis.rename(
                now, rng.choice(known).span.start, rng.choice(("fresh_one", "x", "Fresh", "steps", "1"))
            )
        except analysis.NotRenamable as reason:
            return str(reason)
        text = _edited(now.source.text, edits)
        before, after = (
            compile_(now.source.text.encode("utf-8", "surrogatepass")),
            compile_(text.encode("utf-8", "surrogatepass")),
        )
        self.must(before.plan is None or after.plan is not None, f"renaming {edits[:1]} breaks nothing")
        return text


def _edited(text: str, edits: list[Edit]) -> str:
    last = Span(len(text) + 1, len(text) + 1)
    for one in sorted(edits, key=lambda one: one.span, reverse=True):
        assert one.span.end <= last.start, "edits of a renaming do not overlap"
        text, last = text[: one.span.start] + one.text + text[one.span.end :], one.span
    return text


def drawn(plan: Plan) -> str:
    """The plan in every format of pictures."""
    few = len(plan.nodes) + len(plan.finals) <= 100
    return "".join(render_graph(plan, name) for name in FORMATS if few or name != "svg")
