"""An operator of one's own: counts the words of a text file that another step made."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.operators.operator import Answer, Operator, Step, StepFailure, arguments_schema
from somagent.operators.runner.records import Artifact
from somagent.operators.runner.threads import in_thread


class WordsArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The value of `with:`."""

    text: Annotated[Artifact, Meta(description="The file to read")]
    least: Annotated[int, Meta(ge=0, description="Fewer words than this are a failure")] = 0


async def run(args: WordsArgs, step: Step) -> Answer:
    """Counts; raises `StepFailure` when there are too few words or the file is not text."""
    path = await in_thread(step.contents.shared_copy, args.text)
    try:
        words = path.read_text(encoding="utf-8").split()
    except UnicodeDecodeError:
        raise StepFailure("error", f"`{args.text.name}` is not a text file") from None
    step.log.line(f"{len(words)} words in {args.text.name}")
    if len(words) < args.least:
        raise StepFailure("error", f"`{args.text.name}` has {len(words)} words, fewer than {args.least}")
    return Answer({"count": len(words)})


OPERATOR = Operator(
    entry=OperatorEntry(
        name="words",
        summary="Count the words of a text file",
        arguments=arguments_schema(WordsArgs),
        outputs={"count": {"type": "integer"}},
    ),
    arguments=WordsArgs,
    run=run,
)
