"""Cases per construct, held against the official implementation.

`python tests/cel/report.py [--cases 20000] [--seed 1]`
Random expressions over every construct are run by both. A case counts for each construct that it uses. `value` and
`error`: both give the same; `refused`: both refuse; `stricter`: refused here alone, for a reason of the page's list;
`by nature`: the differences that the page names. The last column must be 0: exit 1 when it is not.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator

from conftest import Author, Oracle, run_ours

from somagent.governance import cel
from somagent.governance.cel.syntax import Binary, Call, Expr, Literal, Macro, Unary, children

COLUMNS = ("value", "error", "refused", "stricter", "by nature", "different")


def constructs(expr: Expr) -> Iterator[str]:
    """Every operator, function, macro and kind of constant in the expression."""
    match expr:
        case Binary(operator) | Unary(operator):
            yield f"{operator} (unary)" if isinstance(expr, Unary) else operator
        case Call(function):
            yield f"{function}()"
        case Macro(macro):
            yield f".{macro}()"
        case Literal(value):
            yield f"constant: {type(value).__name__.replace('NoneType', 'null')}"
        case _:
            yield {"Select": "a.b", "Index": "a[b]", "Has": "has()", "Conditional": "? :"}.get(
                type(expr).__name__, type(expr).__name__.lower()
            )
    for part in children(expr):
        yield from constructs(part)


def _in_any_order(value: object) -> str | None:
    """A list for which the order means nothing, as macros over the keys of maps give it; None for what is no list."""
    return str(sorted(_in_any_order(part) or repr(part) for part in value)) if isinstance(value, list) else None


def outcome(text: str, bindings: dict[str, cel.Value], oracle: Oracle) -> str:
    """Into which column the case falls."""
    expected, actual = oracle.run(text, bindings), run_ours(text, bindings)
    if actual.same(expected):
        return actual.kind
    ours, official = _in_any_order(actual.value), _in_any_order(expected.value)
    if oracle.differs_by_nature(expected) or (ours is not None and ours == official):
        return "by nature"
    return "stricter" if oracle.is_stricter_here(expected, actual) else "different"


def count(cases: int, seed: int) -> tuple[dict[str, Counter[str]], list[str]]:
    """The table, and the expressions that differ."""
    oracle, table, different = Oracle(), {}, []
    for number in range(cases):
        choose = random.Random(f"{seed}/{number}").randrange
        author = Author(choose, 4 if number % 5 == 0 else 0)
        bindings = author.bindings()
        text = author.expr(author.any_type(), 1 + choose(4))
        column = outcome(text, bindings, oracle)
        try:
            found = set(constructs(cel.parse(text)))
        except cel.SyntaxFault:
            found = {"(no syntax)"}
        for construct in found:
            table.setdefault(construct, Counter())[column] += 1
        if column == "different":
            different.append(text)
    return table, different


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    table, different = count(options.cases, options.seed)
    print(f"{'construct':<22}{'cases':>8}" + "".join(f"{column:>11}" for column in COLUMNS))
    for construct in sorted(table):
        row = table[construct]
        print(f"{construct:<22}{row.total():>8}" + "".join(f"{row[column]:>11}" for column in COLUMNS))
    print(f"{options.cases:,} expressions, {len(different)} different")
    print("\n".join(different[:20]))
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
