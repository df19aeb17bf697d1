"""How much work an expression may take, known before a run: an upper bound from how large its lists and texts can be.

The unit is the step of the evaluator's budget (`MAX_STEPS`), counted by the same rules, so that an expression within
the bound cannot run out of steps on values that keep to their declared sizes:

- a macro over n items: n * (1 + nodes of its body // 8 + cost of its body); over a map, n more to order its keys
- `+` of lists: their items; `==` and `!=`: the items of the smaller side at each level (down to `LEVELS`), and a 64th
  of the characters of texts; `in`: one for each item, and what comparing lists and maps costs
- `+` of texts: a 16th of their characters; `contains`, `startsWith`, `endsWith`: a 64th
- `matches`: the pattern's instructions in RE2 (of a computed one: four for each character), and for each character of
  the text a 256th of 16 more than that
- a list or map written out: its members; everything else: the sum of its parts

A list or map whose author gives no bound counts as `ITEMS` items, a text as `LENGTH` characters; what lies inside a
value of unknown structure has the smaller sizes of `INSIDE`. Kubernetes bounds CEL in the same way, with the request's
size in place of the defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from msgspec import Struct, field

from somagent.governance.cel.patterns import PatternFault, compile_pattern, search_steps
from somagent.governance.cel.syntax import (
    Binary,
    Call,
    Conditional,
    Expr,
    Has,
    Index,
    ListLiteral,
    Literal,
    Macro,
    MapLiteral,
    Name,
    Select,
    Unary,
    children,
    count_nodes,
)

ITEMS = 128
LENGTH = 1024
INSTRUCTIONS_A_CHARACTER = 4
NODES_A_STEP = 8
LEVELS = 4
_CAP = 10**15  # far above any limit; keeps numbers small


class Size(Struct, frozen=True):
    """How large a value can be. `parts` gives the size of an item (None) or of a member by name, when asked."""

    items: int = ITEMS
    length: int = LENGTH
    bounded: bool = False  # said by the author, not taken as default
    parts: Callable[[str | None], Size] | None = None
    is_list: bool = False  # known to be none of a map

    def part(self, name: str | None) -> Size:
        """Of an item, or of the member of this name."""
        return INSIDE if self.parts is None else self.parts(name)


UNKNOWN = Size()
INSIDE = Size(items=8, length=256)
NOTHING = Size(items=0, length=0, bounded=True)
SMALL = Size(items=0, length=32, bounded=True)  # a number, a bool; as text too


class Loop(Struct, frozen=True):
    """A macro on the way to the costly part: over how many items at most, and whether the author bounded them."""

    macro: Macro
    items: int
    bounded: bool


class Cost(Struct, frozen=True):
    """At most so many steps; `size` is the value's."""

    steps: int
    size: Size
    estimator: _Estimator
    expr: Expr

    @property
    def loops(self) -> tuple[Loop, ...]:
        """The macros, outer first, that make most of the steps."""
        return self.estimator.costly(self.expr)


def estimate(expr: Expr, sizes: Mapping[str, Size]) -> Cost:
    """The most steps that `expr` may take, when the names it uses have these sizes."""
    estimator = _Estimator(sizes)
    steps, size = estimator.of(expr)
    return Cost(steps, size, estimator, expr)


class _Estimator(Struct):
    sizes: Mapping[str, Size]
    variables: list[tuple[str, Size]] = field(default_factory=list)
    steps: dict[int, int] = field(default_factory=dict)
    looped: dict[int, Loop] = field(default_factory=dict)

    def of(self, expr: Expr) -> tuple[int, Size]:
        steps, size = self._of(expr)
        self.steps[id(expr)] = steps = min(steps, _CAP)
        return steps, size

    def _of(self, expr: Expr) -> tuple[int, Size]:
        if isinstance(expr, Select):  # most nodes are these two
            steps, size = self.of(expr.operand)
            return steps, size.part(expr.field)
        if isinstance(expr, Name):
            return 0, next(
                (size for known, size in reversed(self.variables) if known == expr.name), self._free(expr.name)
            )
        match expr:
            case Literal(value):
                return 0, Size(0, len(value), bounded=True) if isinstance(value, str) else NOTHING
            case Index(operand, key):
                steps, size = self.of(operand)
                key_steps, _ = self.of(key)
                constant = key.value if isinstance(key, Literal) and isinstance(key.value, str) else None
                return steps + key_steps, size.part(constant)
            case Has(operand) | Unary(_, operand):
                return self.of(operand)[0], SMALL
            case ListLiteral() | MapLiteral():
                return self._written(expr)
            case Conditional(condition, yes, no):
                steps, _ = self.of(condition)
                (yes_steps, one), (no_steps, other) = self.of(yes), self.of(no)
                return steps + max(yes_steps, no_steps), either(one, other)
            case Binary():
                return self._binary(expr)
            case Call():
                return self._call(expr)
            case Macro():
                return self._macro(expr)

    def _free(self, name: str) -> Size:
        return self.sizes.get(name, UNKNOWN)

    def _written(self, expr: ListLiteral | MapLiteral) -> tuple[int, Size]:
        found = [self.of(part) for part in children(expr)]
        items = len(found) // (2 if isinstance(expr, MapLiteral) else 1)
        inside = NOTHING
        for _, size in found:
            inside = either(inside, size)
        size = Size(items, 0, bounded=True, parts=lambda _: inside, is_list=isinstance(expr, ListLiteral))
        return sum(steps for steps, _ in found) + items, size

    def _binary(self, expr: Binary) -> tuple[int, Size]:
        (left_steps, left), (right_steps, right) = self.of(expr.left), self.of(expr.right)
        steps = left_steps + right_steps
        match expr.operator:
            case "+":
                both = left.items + right.items
                length = left.length + right.length
                joined = Size(
                    both, length, left.bounded and right.bounded, lambda n: either(left.part(n), right.part(n))
                )
                return steps + both + length // 16, joined
            case "in":
                deep = _equality(left, right.part(None)) if left.items else 0
                return steps + right.items * (1 + deep), SMALL
            case "==" | "!=":
                return steps + _equality(left, right), SMALL
            case _:
                return steps, SMALL

    def _call(self, expr: Call) -> tuple[int, Size]:
        parts = [self.of(part) for part in children(expr)]
        steps = sum(one for one, _ in parts)
        if expr.function == "dyn" and parts:
            return steps, parts[0][1]
        if expr.function == "matches" and len(parts) == 2:
            return steps + search_steps(parts[0][1].length, _instructions(children(expr)[1], parts[1][1])), SMALL
        if expr.target is not None and parts:
            return steps + parts[0][1].length // 64, SMALL
        return steps, Size(0, max(32, parts[0][1].length if parts else 0), bounded=True)

    def _macro(self, expr: Macro) -> tuple[int, Size]:
        steps, target = self.of(expr.target)
        item = target.part(None)
        self.looped[id(expr)] = Loop(expr, target.items, target.bounded)
        self.variables.append((expr.variable, item))
        inside = 1 + count_nodes(expr.body) // NODES_A_STEP
        made = item
        for part in (expr.condition, expr.body):
            if part is not None:
                part_steps, size = self.of(part)
                inside += part_steps
                made = size if expr.macro == "map" else item
        self.variables.pop()
        result = (
            Size(target.items, 0, target.bounded, lambda _: made, is_list=True)
            if expr.macro in ("map", "filter")
            else SMALL
        )
        order = 0 if target.is_list else target.items
        return steps + target.items * inside + order, result

    def costly(self, expr: Expr) -> tuple[Loop, ...]:
        """Down the part with the largest share, as long as it makes more than half."""
        loops: list[Loop] = []
        times, total = 1, self.steps[id(expr)]
        while True:
            loop = self.looped.get(id(expr))
            inner = times if loop is None else times * loop.items
            shares = [
                (self.steps[id(part)] * (times if loop is not None and part is loop.macro.target else inner), part)
                for part in children(expr)
            ]
            share, heaviest = max(shares, key=lambda one: one[0], default=(0, expr))
            if loop is not None and (share * 2 <= total or heaviest is not loop.macro.target):
                loops.append(loop)
                times = inner
            if share * 2 <= total:
                return tuple(loops)
            expr = heaviest


def _instructions(pattern: Expr, size: Size) -> int:
    """Of the pattern's program: counted when the pattern is written out, else guessed from its length."""
    if isinstance(pattern, Literal) and isinstance(pattern.value, str):
        with suppress(PatternFault):  # which the checker shows
            return compile_pattern(pattern.value).programsize
    return size.length * INSTRUCTIONS_A_CHARACTER


def _equality(one: Size, other: Size, levels: int = LEVELS) -> int:
    items = min(one.items, other.items)
    inner = 0
    if items and levels and (one.parts is not None or other.parts is not None):
        inner = _equality(one.part(None), other.part(None), levels - 1)
    return min(items * (1 + inner) + min(one.length, other.length) // 64, _CAP)


def either(one: Size, other: Size) -> Size:
    """The size of a value that is the one or the other."""
    if one is other:
        return one
    bounded = one.bounded and other.bounded
    items, length = max(one.items, other.items), max(one.length, other.length)
    lists = one.is_list and other.is_list
    if one.parts is None and other.parts is None:
        return Size(items, length, bounded, is_list=lists)
    return Size(items, length, bounded, lambda name: either(one.part(name), other.part(name)), lists)
