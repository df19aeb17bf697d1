"""The official implementation of CEL as the oracle, and random expressions over every construct of the subset.

The writer of expressions takes its choices from one function, so that hypothesis can steer and shrink them.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest
from cel_expr_python import cel as official
from hypothesis import settings

from somagent.governance import cel

settings.register_profile("campaign", max_examples=20_000)
INT, DOUBLE, STRING, BOOL, NULL, DYN = cel.INT, cel.DOUBLE, cel.STRING, cel.BOOL, cel.NULL, cel.DYN

VARIABLES: dict[str, cel.Type] = {
    "i": INT,
    "j": INT,
    "d": DOUBLE,
    "s": STRING,
    "t": STRING,
    "b": BOOL,
    "n": NULL,
    "x": DYN,
    "xs": DYN,
    "xm": DYN,
    "li": cel.ListType(INT),
    "ls": cel.ListType(STRING),
    "ld": cel.ListType(DOUBLE),
    "lx": cel.ListType(DYN),
    "lli": cel.ListType(cel.ListType(INT)),
    "msi": cel.MapType(STRING, INT),
    "mis": cel.MapType(INT, STRING),
    "mbd": cel.MapType(BOOL, DOUBLE),
    "msx": cel.MapType(STRING, DYN),
    "msl": cel.MapType(STRING, cel.ListType(INT)),
    "lm": cel.ListType(cel.MapType(STRING, INT)),
}
TYPES = tuple(dict.fromkeys(VARIABLES.values()))
INTS = (0, 1, -1, 2, 3, 7, -5, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**62)
DOUBLES = (0.0, -0.0, 1.0, -1.5, 2.0, 0.1, 1e6, 1e-7, 9007199254740992.0, 2.0**63, -(2.0**63), math.inf, math.nan)
STRINGS = ("", "a", "ab", "b", "1", "-7", "1.5", "true", "é", "😀", "\uffff", "a\n\"'\\", " 3 ", "nan", "0x1f", "t")
KEYS = ("a", "b", "ab", "é", "1", "in", "a-b")


@dataclass(frozen=True)
class Outcome:
    """What became of an expression: refused, an error while evaluating, or a value."""

    kind: str
    value: object = None
    why: str = ""

    def same(self, other: Outcome) -> bool:
        """The same kind and, of values, the same CEL type and value at every place."""
        return self.kind == other.kind and _same(self.value, other.value)


def _same(a: object, b: object) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        order = [sorted(m, key=lambda k: (str(type(k)), k)) for m in (a, b)]
        return _same(*order) and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, float) and isinstance(b, float):
        if math.isnan(a) or math.isnan(b):
            return math.isnan(a) and math.isnan(b)
        return a == b and math.copysign(1, a) == math.copysign(1, b)
    return a == b


def _immortal_none() -> None:
    """Version 0.1.3 gives back one reference too many for every None it converts; before 3.12 Python then aborts."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object([None] * 10_000_000))


class Oracle:
    """`cel-expr-python` over the variables above."""

    def __init__(self) -> None:
        _immortal_none()
        self.env = official.NewEnv(variables={name: _official(type_) for name, type_ in VARIABLES.items()})

    def run(self, text: str, bindings: Mapping[str, cel.Value]) -> Outcome:
        try:
            program = self.env.compile(text)
        except RuntimeError as error:
            return Outcome("refused", why=str(error))
        try:
            value = program.eval(data=dict(bindings))
        except RuntimeError as error:
            return Outcome("error", why=str(error))
        if value.type() == official.Type.ERROR:
            return Outcome("error")
        return Outcome("value", value.plain_value())

    def differs_by_nature(self, outcome: Outcome) -> bool:
        """Two known differences that random expressions run into.

        A macro over an item of `[]`, whose type is open, is refused; this package takes the item as `dyn`. A key that
        is in a map twice stops the official evaluator at once; here it is an error like others, and may be absorbed.
        """
        return "type 'dyn' cannot be the range" in outcome.why or "duplicate key" in outcome.why

    def is_stricter_here(self, official_outcome: Outcome, ours: Outcome) -> bool:
        """Refused by this package alone, since `null` takes the place of a time, or for a key no map can have."""
        reasons = ours.why.split("; ")
        return official_outcome.kind != "refused" and all(
            "null" in why or "a key of a map is" in why for why in reasons
        )


def _official(type_: cel.Type) -> official.Type:
    match type_:
        case cel.ListType(item):
            return official.Type.List(_official(item))
        case cel.MapType(key, value):
            return official.Type.Map(_official(key), _official(value))
        case _:
            return getattr(official.Type, cel.show(type_).upper())


def run_ours(text: str, bindings: Mapping[str, cel.Value]) -> Outcome:
    """The same with this package."""
    try:
        expr = cel.parse(text)
    except cel.SyntaxFault as fault:
        return Outcome("refused", why=str(fault))
    faults = cel.check(expr, VARIABLES).diagnostics
    if faults:
        return Outcome("refused", why="; ".join(fault.message for fault in faults))
    try:
        return Outcome("value", cel.evaluate(expr, bindings))
    except cel.EvaluationError:
        return Outcome("error")


Choose = Callable[[int], int]


@dataclass
class Author:
    """Writes expressions. `choose(n)` gives a number below n; `slips` in 100 places get a value of any type."""

    choose: Choose
    slips: int = 0
    scope: list[tuple[str, cel.Type]] = field(default_factory=lambda: list(VARIABLES.items()))
    names: int = 0

    def pick(self, options: tuple | list) -> object:
        return options[self.choose(len(options))]

    def value(self, type_: cel.Type, depth: int = 0) -> cel.Value:
        """A value to bind to a variable."""
        match type_:
            case cel.ListType(item):
                return [self.value(item, depth + 1) for _ in range(self.choose(4))]
            case cel.MapType(key, item):
                keys = {BOOL: (True, False), INT: (0, 2, 7), STRING: KEYS}[key]
                return {self.pick(keys): self.value(item, depth + 1) for _ in range(self.choose(3))}
            case _ if type_ == INT:
                return self.pick(INTS)
            case _ if type_ == DOUBLE:
                return self.pick(DOUBLES)
            case _ if type_ == STRING:
                return self.pick(STRINGS)
            case _ if type_ == BOOL:
                return self.choose(2) == 1
            case _ if type_ == NULL:
                return None
        if depth < 3 and self.choose(3) == 0:
            return self.value(self.pick((cel.ListType(DYN), cel.MapType(STRING, DYN))), depth + 1)
        return self.value(self.pick((INT, DOUBLE, STRING, BOOL, NULL)))

    def bindings(self) -> dict[str, cel.Value]:
        """Values for all variables; `xs` is a list and `xm` a map, though the checker does not know."""
        hidden = {"xs": cel.ListType(DYN), "xm": cel.MapType(STRING, DYN)}
        return {name: self.value(hidden.get(name, type_)) for name, type_ in VARIABLES.items()}

    def any_type(self, depth: int = 1) -> cel.Type:
        if depth and self.choose(4) == 0:
            if self.choose(2):
                return cel.ListType(self.any_type(depth - 1))
            return cel.MapType(self.pick((STRING, INT, BOOL)), self.any_type(depth - 1))
        return self.pick((INT, DOUBLE, STRING, BOOL, DYN, NULL))

    def expr(self, type_: cel.Type, depth: int) -> str:
        """An expression of the type, in parentheses where it may stand anywhere."""
        if self.slips and self.choose(100) < self.slips:
            type_ = self.any_type()
        simple = [name for name, known in self.scope if known == type_]
        if depth <= 0 or self.choose(5) == 0:
            return str(self.pick(simple)) if simple and self.choose(3) else self.constant(type_, depth)
        if self.choose(8) == 0:
            return f"({self.expr(BOOL, depth - 1)} ? {self.expr(type_, depth - 1)} : {self.expr(type_, depth - 1)})"
        if self.choose(8) == 0:
            return self.from_container(type_, depth - 1)
        match type_:
            case cel.ListType():
                return self.list_of(type_, depth - 1)
            case cel.MapType():
                return self.constant(type_, depth)
            case _:
                return self.pick(self.ways(type_))(depth - 1)

    def ways(self, type_: cel.Type) -> list[Callable[[int], str]]:
        tests = [self.member, self.text_test, self.has, self.to_bool]
        return {
            INT: [self.arithmetic_int, self.arithmetic_int, self.size, self.to_int],
            DOUBLE: [self.arithmetic_double, self.to_double],
            STRING: [self.concatenation, self.to_string],
            BOOL: [*(self.logic, self.comparison, self.quantifier) * 2, *tests],
            DYN: [self.dynamic, self.dynamic, self.dynamic_member],
            NULL: [lambda depth: self.constant(NULL, depth)],
        }[type_]

    # Constants

    def constant(self, type_: cel.Type, depth: int) -> str:
        match type_:
            case cel.ListType(item):
                return f"[{', '.join(self.expr(item, depth - 1) for _ in range(self.choose(4)))}]"
            case cel.MapType(key, value):
                return self.map_constant(key, value, depth)
            case _ if type_ == INT:
                return str(self.pick((*INTS, "0x1F", "-0x8000000000000000", "007")))
            case _ if type_ == DOUBLE:
                return str(
                    self.pick(("0.0", "-0.0", "1.0", "2.5", ".5", "1e3", "1E-7", "3.0e+2", "9007199254740993.0"))
                )
            case _ if type_ == STRING:
                return self.string_constant()
            case _ if type_ == BOOL:
                return ("false", "true")[self.choose(2)]
            case _ if type_ == NULL:
                return "null"
        return f"dyn({self.expr(self.pick((INT, DOUBLE, STRING, BOOL, NULL)), depth - 1)})"

    def string_constant(self) -> str:
        written = (
            "'a'",
            'r"a\\b"',
            '"""a"b"""',
            "'''\n'''",
            '"\\x41\\u00e9\\U0001F600\\101"',
            "R'a'",
            '"\\n\\t\\"\\\'\\`"',
        )
        if self.choose(3) == 0:
            return str(self.pick(written))
        return self.quoted(str(self.pick(STRINGS)))

    def quoted(self, text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'

    def map_constant(self, key: cel.Type, value: cel.Type, depth: int) -> str:
        keys = {BOOL: ("true", "false"), INT: ("0", "2", "7", "-3"), STRING: tuple(f'"{k}"' for k in KEYS)}.get(key)
        if keys is None:
            keys = ("dyn(2)", "dyn(7)", 'dyn("a")', "dyn(true)", "dyn(2.0)", "dyn(null)", "dyn([])")
        chosen = dict.fromkeys(str(self.pick(keys)) for _ in range(self.choose(4)))
        if depth > 1 and self.choose(4) == 0 and key != DYN:
            twice = self.expr(
                key, depth - 2
            )  # perhaps there already: an error, but not one that is seen before the run
            chosen[f"(true ? {twice} : {twice})"] = None
        values = {k: self.expr(value, depth - 1) for k in chosen}
        if self.slips and len(values) > 1:  # the official checker takes the first value's type for all, see the tests
            values = {k: f"dyn({written})" for k, written in values.items()}
        return "{" + ", ".join(f"{k}: {written}" for k, written in values.items()) + "}"

    # Operators

    def arithmetic_int(self, depth: int) -> str:
        operator = self.pick(("+", "-", "*", "/", "%", "negate", "twice"))
        if operator == "negate":
            return f"(-{self.in_parentheses(INT, depth)})"
        if operator == "twice":
            return f"(--({self.expr(INT, depth)}))" if not self.slips else "1"
        return f"({self.expr(INT, depth)} {operator} {self.expr(INT, depth)})"

    def arithmetic_double(self, depth: int) -> str:
        operator = self.pick(("+", "-", "*", "/", "negate"))
        if operator == "negate":
            return f"(-{self.in_parentheses(DOUBLE, depth)})"
        return f"({self.expr(DOUBLE, depth)} {operator} {self.expr(DOUBLE, depth)})"

    def in_parentheses(self, type_: cel.Type, depth: int) -> str:
        return f"({self.expr(type_, depth)})"

    def concatenation(self, depth: int) -> str:
        return f"({self.expr(STRING, depth)} + {self.expr(STRING, depth)})"

    def logic(self, depth: int) -> str:
        operator = self.pick(("&&", "||", "!", "&&&", "|||"))
        if operator == "!":
            return f"(!{self.in_parentheses(BOOL, depth)})"
        if operator in ("&&&", "|||"):  # rows, which are balanced
            return "(" + f" {str(operator)[:2]} ".join(self.condition(depth) for _ in range(2 + self.choose(4))) + ")"
        return f"({self.condition(depth)} {operator} {self.condition(depth)})"

    def condition(self, depth: int) -> str:
        return self.expr(DYN if self.choose(5) == 0 else BOOL, depth)

    def comparison(self, depth: int) -> str:
        operator = self.pick(("==", "!=", "<", "<=", ">", ">="))
        type_ = self.pick((INT, DOUBLE, STRING, BOOL, DYN)) if operator not in ("==", "!=") else self.any_type()
        other = DYN if self.choose(4) == 0 else type_
        return f"({self.expr(type_, depth)} {operator} {self.expr(other, depth)})"

    def member(self, depth: int) -> str:
        item = self.any_type()
        if self.choose(2) or item in (NULL, DOUBLE) or not cel.show(item).isalpha():
            container: cel.Type = cel.ListType(item)
        else:
            container = cel.MapType(item, self.any_type())
        if self.choose(5) == 0:
            item = DYN
        return f"({self.expr(item, depth)} in {self.expr(container, depth)})"

    # Functions

    def size(self, depth: int) -> str:
        type_ = self.pick((STRING, cel.ListType(self.any_type(0)), cel.MapType(STRING, INT), DYN))
        if self.choose(3) == 0:
            return self.size_of_macro_over_map(depth)
        text = self.expr(type_, depth)
        return f"size({text})" if self.choose(2) else f"({text}).size()"

    def size_of_macro_over_map(self, depth: int) -> str:
        """CEL leaves the order of a map's keys open, so only the size of what a macro makes of them is compared."""
        key = self.pick((STRING, INT, BOOL, DYN))
        target = self.expr(DYN if key == DYN else cel.MapType(key, self.any_type(0)), depth)
        return f"size({self.map_or_filter(target, key, depth)})"

    def map_or_filter(self, target: str, item: cel.Type, depth: int) -> str:
        with_item = self.variable(item)
        name = self.scope[-1][0]
        kind = self.choose(3)
        condition = self.condition(depth)
        body = self.expr(self.any_type(0), depth) if kind else ""
        self.scope = with_item
        return (
            f"({target})."
            + (f"filter({name}, {condition})", f"map({name}, {body})", f"map({name}, {condition}, {body})")[kind]
        )

    def variable(self, type_: cel.Type) -> list[tuple[str, cel.Type]]:
        """Open a scope with one more variable, sometimes hiding another; gives the scope to go back to."""
        outer = self.scope
        self.names += 1
        name = f"v{self.names}" if self.choose(4) else str(self.pick(outer)[0])
        self.scope = [pair for pair in outer if pair[0] != name] + [(name, type_)]
        return outer

    def text_test(self, depth: int) -> str:
        function = self.pick(("startsWith", "endsWith", "contains", "matches"))
        if function == "matches" and self.choose(3):
            pattern = self.pick(("a+", "^a|b$", "[a-c]*b", "(?i)A.", r"\d", "é?.", "", "^.$", "(a)(b)?"))
            return f"({self.expr(STRING, depth)}).matches({self.quoted(str(pattern))})"
        if function == "matches":  # a pattern that is not constant, so that a wrong one is an error for both
            return f"({self.expr(STRING, depth)}).matches(dyn({self.expr(STRING, depth)}))"
        target, argument = (self.expr(DYN if self.choose(6) == 0 else STRING, depth) for _ in range(2))
        return f"({target}).{function}({argument})"

    def to_int(self, depth: int) -> str:
        """The official evaluator takes `int(dyn(true))`, though no CEL signature has it and its checker refuses it."""
        type_ = self.pick((INT, DOUBLE, STRING, DYN))
        text = self.expr(type_, depth)
        if type_ == DYN or self.slips:
            return f"[{text}].map(w, w == dyn(true) || w == dyn(false) ? 0 : int(w))[0]"
        return f"int({text})"

    def to_double(self, depth: int) -> str:
        return f"double({self.expr(self.pick((INT, DOUBLE, STRING, DYN)), depth)})"

    def to_bool(self, depth: int) -> str:
        return f"bool({self.expr(self.pick((BOOL, STRING, DYN)), depth)})"

    def to_string(self, depth: int) -> str:
        """Not a number has a sign that the official `string` shows and that differs between processors: left out."""
        type_ = self.pick((INT, DOUBLE, STRING, BOOL, DYN))
        text = self.expr(type_, depth)
        if type_ in (DOUBLE, DYN) or self.slips:
            return f'[{text}].map(w, w == w ? string(w) : "nan")[0]'
        return f"string({text})"

    def has(self, depth: int) -> str:
        target = self.expr(self.pick((cel.MapType(STRING, self.any_type(0)), DYN, cel.MapType(INT, INT))), depth)
        return f"has(({target}).{self.field()})"

    def field(self) -> str:
        name = str(self.pick(tuple(key for key in KEYS if key.isascii())))
        return f"`{name}`" if name in ("1", "in", "a-b") else name

    def quantifier(self, depth: int) -> str:
        item = self.pick((INT, STRING, DYN, DOUBLE, BOOL))
        containers = (
            [cel.ListType(item)] + [cel.MapType(item, INT)] * (item in (INT, STRING, BOOL)) + [DYN] * (item == DYN)
        )
        target = self.expr(self.pick(containers), depth)
        outer = self.variable(item)
        name = self.scope[-1][0]
        body = self.condition(depth)
        self.scope = outer
        return f"({target}).{self.pick(('all', 'exists', 'exists_one'))}({name}, {body})"

    def list_of(self, type_: cel.ListType, depth: int) -> str:
        kind = self.choose(4)
        if kind == 0:
            return self.constant(type_, depth)
        if kind == 1:
            return f"({self.expr(type_, depth)} + {self.expr(type_, depth)})"
        item = type_.item if kind == 2 else self.any_type(0)
        target = self.expr(cel.ListType(item), depth)
        outer = self.variable(item)
        name = self.scope[-1][0]
        condition = self.condition(depth)
        body = "" if kind == 2 else self.expr(type_.item, depth)
        self.scope = outer
        if kind == 2:
            return f"({target}).filter({name}, {condition})"
        return f"({target}).map({name}, {body})" if self.choose(2) else f"({target}).map({name}, {condition}, {body})"

    def from_container(self, type_: cel.Type, depth: int) -> str:
        """A member of a list or a map."""
        kind = self.choose(3)
        if kind == 0:
            return f"({self.expr(cel.ListType(type_), depth)})[{self.expr(self.pick((INT, INT, DYN)), depth)}]"
        key = self.pick((STRING, INT, BOOL))
        if kind == 1:
            return f"({self.expr(cel.MapType(key, type_), depth)})[{self.expr(self.pick((key, key, DYN)), depth)}]"
        return f"({self.expr(cel.MapType(STRING, type_), depth)}).{self.field()}"

    def dynamic(self, depth: int) -> str:
        return f"dyn({self.expr(self.any_type(), depth)})"

    def dynamic_member(self, depth: int) -> str:
        target = self.expr(DYN, depth)
        if self.choose(2):
            return f"({target}).{self.field()}"
        return f"dyn(({target})[{self.expr(self.pick((INT, STRING, DYN)), depth)}])"


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    return Oracle()


@pytest.fixture(scope="session")
def author_of() -> Callable[[Choose, int], Author]:
    """Gives an author for a function of choices and a number of slips."""
    return Author


@pytest.fixture(scope="session", name="run_ours")
def _run_ours() -> Callable[[str, Mapping[str, cel.Value]], Outcome]:
    return run_ours
