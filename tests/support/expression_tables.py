"""Tables of the expression language, written from the checker's own tables; every example is checked and evaluated."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from somagent.capsule_compiler.diagnostics.codes import code_of
from somagent.capsule_compiler.environment import outputs_type, run_type
from somagent.capsule_compiler.value_types import ValueTypes
from somagent.governance import cel
from somagent.governance.cel.cost import INSIDE, ITEMS, LENGTH, Size
from somagent.governance.cel.functions import BINARY, CONDITIONAL, FUNCTIONS, INDEX, METHODS, UNARY, UNSUPPORTED
from somagent.governance.cel.inference import Inference, Overload
from somagent.governance.cel.lexer import RESERVED
from somagent.governance.cel.parser import MACROS
from somagent.governance.cel.patterns import MAX_PATTERN
from somagent.governance.cel.precedence import PRECEDENCE
from somagent.governance.cel.syntax import Binary, Call, Conditional, Expr, Index, Unary, children
from somagent.governance.cel.types import SimpleType, TypeVariable
from somagent.governance.documents import Diagnostic

HERE = Path(__file__).parent
CONFORMANCE = HERE.parent / "cel" / "conformance.json"
CONVERSIONS = ("bool", "double", "dyn", "int", "string")
_MARKS = re.compile(r"(<!-- table: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_UINT = SimpleType("uint")
_FREE = {-1: cel.OpaqueType("A"), -2: cel.OpaqueType("B")}

EXAMPLES = r"""
!true
-(3) --- -9223372036854775808 * -1
-(0.5)
[10, 20][1] --- [10, 20][2]
{"a": 1}["a"] --- {"a": 1}["b"]
7 * 6 --- 9223372036854775807 * 2
0.5 * 3.0
7 / 2 --- -7 / 2 --- 1 / 0
7.0 / 2.0 --- 1.0 / 0.0
-7 % 2 --- 7 % 0
1 + 2 --- 9223372036854775807 + 1
0.1 + 0.2
"a" + "b"
[1] + [2, 3]
1 - 2
1.5 - 0.5
1 < 2
0.5 < 1.5 --- 0.0 / 0.0 < 1.0
false < true
"a" < "b" --- "Z" < "a"
1 <= 1
1.0 <= 0.5
true <= true
"a" <= "ab"
2 > 1
2.5 > 1.5
true > false
"é" > "z"
2 >= 2
2.5 >= 2.5
false >= true
"a" >= "b"
[1, 2] == [1, 2] --- dyn(1) == 1.0 --- dyn("1") == 1 --- 0.0 / 0.0 == 0.0 / 0.0
1 != 2 --- {"a": 1} != {"a": 1}
2 in [1, 2]
"a" in {"a": 1}
true && false --- 1 / 0 > 1 && false --- 1 / 0 > 1 && true
true || false --- 1 / 0 > 1 || true
true ? "yes" : "no"
size([1, 2])
size({"a": 1})
size("naïve") --- size("😀")
matches("abc", "b") --- matches("abc", "^b$")
[1, 2].size()
{"a": 1}.size()
"naïve".size()
"abc".contains("b")
"abc".endsWith("bc")
"abc".startsWith("a")
"abc".matches("^[a-c]+$") --- "a".matches(dyn("("))
bool(true)
bool("t") --- bool("yes")
double(0.5)
double(3)
double("1.5e3") --- double("x")
dyn(1)
int(3)
int(3.9) --- int(-3.9) --- int(1e19)
int("-12") --- int("0x1f")
string("a")
string(true)
string(0.1) --- string(1000000.0)
string(7)
"""

SCHEMAS: tuple[dict[str, object], ...] = (
    {"type": "boolean"},
    {"type": "integer"},
    {"type": "number"},
    {"type": "string"},
    {"type": "array", "items": {"type": "string"}},
    {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    {"type": "object"},
    {"type": "artifact"},
    {"type": "secret"},
    {},
)
MACRO_ARGUMENTS = {"all": "c", "exists": "c", "exists_one": "c", "filter": "c", "map": "b"}
MACRO_TARGETS: dict[str, cel.Type] = {
    "list": cel.ListType(_FREE[-1]),
    "map": cel.MapType(_FREE[-1], _FREE[-2]),
    "object": cel.ObjectType({"name": cel.Field(cel.STRING)}),
    "dyn": cel.DYN,
}
MACRO_EXAMPLES = (
    "[1, 2].all(x, x > 1) --- [2, 0].all(x, 1 / x > 5)",
    "[1, 2].exists(x, x > 1) --- [0, 1].exists(x, 1 / x == 1)",
    "[1, 2].exists_one(x, x > 1) --- [2, 0].exists_one(x, 1 / x == 0)",
    "[1, 2].filter(x, x > 1)",
    '[1, 2].map(x, x * 10) --- [1, 2].map(x, x > 1, string(x)) --- {"b": 2, "a": 1}.map(k, k)',
)
OUT_OF_SUBSET = (
    "1u",
    'b"raw"',
    *(f"{name}(1)" if not name.startswith("get") else f'"a".{name}()' for name in sorted(UNSUPPORTED)),
    "optional.of(1)",
    '{"a": 1}.?a',
    "[1][?0]",
    "[1].all(i, x, x > i)",
    "[1].transformList(i, x, x)",
    'Module{name: "a"}',
    ".s",
    "int",
    "math.greatest(1, 2)",
    '"a,b".split(",")',
    '"A".lowerAscii()',
    "[2, 1].sort()",
    "sets.contains([1], [1])",
    "cel.bind(x, 1, x)",
)
STRICTER = (
    "1 == 1.0",
    "1 + 1.0",
    "null < null",
    "string(null)",
    "1e400",
    "{1.5: 1}",
    '{"a": 1, "a": 2}',
    "!!1",
    '"a".matches("(")',
    '"a".matches("(?=a)")',
    "9223372036854775808",
)
COSTS: tuple[tuple[str, Mapping[str, Size]], ...] = (
    ("xs.all(x, x > 1)", {"xs": Size(100, 0, bounded=True, is_list=True)}),
    ("xs.all(x, xs.exists(y, y == x))", {"xs": Size(100, 0, bounded=True, is_list=True)}),
    ("xs.map(x, xs.map(y, xs.map(z, x + y + z)))", {"xs": Size(100, 0, bounded=True, is_list=True)}),
    ('text.matches("^[a-z]+$")', {"text": Size(0, 10_000, bounded=True)}),
)


def put_into(page: str) -> str:
    """The page with every table between its marks written anew."""
    return _MARKS.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[3]}", page)


def _table(head: str, rows: Iterable[Iterable[str]]) -> str:
    columns = head.split(" | ")
    lines = [f"| {head} |", f"|{'---|' * len(columns)}"]
    for row in rows:
        cells = [cell.replace("|", "\\|") for cell in row]
        assert len(cells) == len(columns)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    return f"`{text}`"


def _show(type_: cel.Type) -> str:
    match type_:
        case TypeVariable(number):
            return _FREE[number].name
        case cel.ListType(item):
            return f"list({_show(item)})"
        case cel.MapType(key, value):
            return f"map({_show(key)}, {_show(value)})"
        case _:
            return cel.show(type_)


# Operators, functions, conversions: one row for each signature


def _operands(expr: Expr) -> tuple[Expr, ...]:
    return tuple(children(expr))


def _named(expr: Expr) -> tuple[str, str]:
    """In which table, under which name."""
    match expr:
        case Unary(operator):
            return "unary", operator
        case Binary(operator):
            return "binary", operator
        case Index():
            return "index", ""
        case Conditional():
            return "conditional", ""
        case Call(function, target=target):
            return "functions" if target is None else "methods", function
        case _:
            raise AssertionError(f"{expr} is no operation")


def _examples() -> dict[tuple[str, str, Overload], list[str]]:
    """The examples by the signature that they use."""
    found: dict[tuple[str, str, Overload], list[str]] = {}
    for line in EXAMPLES.strip().splitlines():
        texts = line.split(" --- ")
        expr = cel.parse(texts[0])
        types = cel.node_types(expr, {})
        operands = tuple(types[id(one)] for one in _operands(expr))
        table, name = _named(expr)
        fitting = [one for one in _signatures(table, name) if Inference().apply([one], operands) is not None]
        assert len(fitting) == 1, f"{texts[0]} uses {fitting}"
        assert (table, name, fitting[0]) not in found, f"{texts[0]}: there is an example already"
        found[table, name, fitting[0]] = texts
    return found


def _signatures(table: str, name: str) -> list[Overload]:
    tables: Mapping[str, Mapping[str, tuple[Overload, ...]]] = {
        "unary": UNARY,
        "binary": BINARY,
        "index": {"": INDEX},
        "conditional": {"": CONDITIONAL},
        "functions": FUNCTIONS,
        "methods": METHODS,
    }
    return [one for one in tables[table][name] if _UINT not in one.parameters]


_FORMS: dict[str, Callable[[str, list[str]], str]] = {
    "unary": lambda name, of: f"{name}{of[0]}",
    "binary": lambda name, of: f"{of[0]} {name} {of[1]}",
    "index": lambda _, of: f"{of[0]}[{of[1]}]",
    "conditional": lambda _, of: f"{of[0]} ? {of[1]} : {of[2]}",
    "functions": lambda name, of: f"{name}({', '.join(of)})",
    "methods": lambda name, of: f"{of[0]}.{name}({', '.join(of[1:])})",
}


def _rows(operations: Iterable[tuple[str, str]]) -> Iterator[list[str]]:
    examples = _examples()
    for table, name in operations:
        for one in _signatures(table, name):
            written = _FORMS[table](name, [_show(parameter) for parameter in one.parameters])
            texts = examples[table, name, one]
            yield [_code(written), _code(_show(one.result)), *_evaluated(texts)]


def _evaluated(texts: list[str]) -> list[str]:
    return ["<br>".join(map(_code, texts)), "<br>".join(_code(outcome(one)) for one in texts)]


def outcome(text: str) -> str:
    """What an expression gives, as the page shows it."""
    expr = cel.parse(text)
    checked = cel.check(expr, {})
    assert not checked.diagnostics, f"{text}: {checked.diagnostics[0].message}"
    try:
        value = cel.evaluate(expr, {})
    except cel.EvaluationError as error:
        return f"error: {error.message}"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def operators() -> str:
    """Every operator, tightest first."""
    binary = sorted(BINARY, key=lambda name: -PRECEDENCE[name])
    operations = [("index", ""), *(("unary", name) for name in "!-"), *(("binary", name) for name in binary)]
    return _table("form | gives | example | is", _rows([*operations, ("conditional", "")]))


def functions() -> str:
    """Every function and method that converts nothing."""
    plain = [("functions", name) for name in FUNCTIONS if name not in CONVERSIONS]
    return _table("form | gives | example | is", _rows([*plain, *(("methods", name) for name in METHODS)]))


def conversions() -> str:
    """Every conversion."""
    return _table("form | gives | example | is", _rows(("functions", name) for name in CONVERSIONS))


# Macros: their types are asked of the checker, with A and B for any types


def macros() -> str:
    """Every macro over everything that can be walked over."""
    return _table("form | `x` is | gives", _macro_rows())


def _macro_rows() -> Iterator[list[str]]:
    forms = [f"{name}(x, {MACRO_ARGUMENTS[name]})" for name in MACROS] + ["map(x, c, b)"]
    for form in forms:
        for name, target in MACRO_TARGETS.items():
            scope = {"t": target, "c": cel.BOOL, "b": cel.OpaqueType("C")}
            given = cel.check(cel.parse(f"t.{form}"), scope)
            (item,) = _types_of_variable(target)
            assert not given.diagnostics
            shown = "object" if name == "object" else _show(target)
            written = form.replace("c", "bool") if "exists" not in form else form.replace(", c", ", bool")
            written = re.sub(r"\bb\b", "C", written)
            yield [_code(f"{shown}.{written}"), _code(_show(item)), _code(_show(given.type))]


def _types_of_variable(target: cel.Type) -> tuple[cel.Type]:
    found = cel.check(cel.parse("t.map(x, x)"), {"t": target}).type
    assert isinstance(found, cel.ListType)
    return (found.item,)


def examples_of_macros() -> str:
    """What macros give."""
    return _table("example | is", (_evaluated(line.split(" --- ")) for line in MACRO_EXAMPLES))


# What there is to name


def types() -> str:
    """Which type a value of a schema has."""
    values = ValueTypes({})
    return _table("schema | type", ([_code(json.dumps(one)), _code(cel.show(values.type_of(one)))] for one in SCHEMAS))


def names() -> str:
    """What is always there to be named in a capsule."""
    step = outputs_type("s", {}, ValueTypes({}), collected=True)
    parts = [
        ("run", run_type(final=False), ""),
        ("run", run_type(final=True), "in `finally`"),
        ("steps.STEP", step, ""),
    ]
    rows: dict[str, list[str]] = {}
    for path, type_, where in parts:
        for name, shown, doc in _members(path, type_):
            rows.setdefault(name, [_code(name), _code(shown), f"{doc}; {where}" if where else doc])
    return _table("name | type | is", rows.values())


def _members(path: str, of: cel.ObjectType) -> Iterator[tuple[str, str, str]]:
    for name, field in of.fields.items():
        if isinstance(field.type, cel.ObjectType):
            yield from _members(f"{path}.{name}", field.type)
        else:
            yield f"{path}.{name}", cel.show(field.type), field.doc


# What is refused


def _refused(texts: Iterable[str]) -> Iterator[list[str]]:
    for text in texts:
        first = mistakes(text)[0]
        help_ = first.help or (first.edit.title if first.edit is not None else "")
        number = code_of(first.name).number
        yield [_code(text), f"{number} {first.message}", help_.replace("<", "&lt;")]


def mistakes(text: str) -> tuple[Diagnostic, ...]:
    """What is wrong with an expression that is refused."""
    try:
        found = cel.check(cel.parse(text), {"s": cel.STRING}).diagnostics
    except cel.SyntaxFault as fault:
        found = fault.diagnostics
    assert found, f"{text} is not refused"
    return found


def outside() -> str:
    """What CEL has and this subset leaves out."""
    return _table("written | refused with | way out", _refused(OUT_OF_SUBSET))


def stricter() -> str:
    """What can only fail, so that it is refused before a run."""
    return _table("written | refused with | way out", _refused(STRICTER))


def words() -> str:
    """Words that cannot be names."""
    return ", ".join(_code(one) for one in sorted(RESERVED)) + "\n"


# Bounds


def bounds() -> str:
    """How large an expression and its work may be."""
    rows = [
        ("characters of an expression", f"{cel.MAX_LENGTH:,}"),
        ("levels of nesting", f"{cel.MAX_DEPTH}"),
        ("steps of one evaluation", f"{cel.MAX_STEPS:,}"),
        ("characters of a pattern", f"{MAX_PATTERN:,}"),
        ("items of a list or map without `maxItems`, as counted", f"{ITEMS}"),
        ("characters of a text without `maxLength`, as counted", f"{LENGTH:,}"),
        ("the same inside of a `dyn`", f"{INSIDE.items} items, {INSIDE.length} characters"),
    ]
    return _table("bound | is", rows)


def costs() -> str:
    """What some expressions may take."""
    return _table("expression | of | steps at most", _cost_rows())


def _cost_rows() -> Iterator[list[str]]:
    for text, sizes in COSTS:
        cost = cel.estimate(cel.parse(text), sizes)
        said = [
            f"`{name}`: {size.items:,} items" if size.items else f"`{name}`: {size.length:,} characters"
            for name, size in sizes.items()
        ]
        refused = " (refused)" if cost.steps > cel.MAX_STEPS else ""
        yield [_code(text), ", ".join(said), f"{cost.steps:,}{refused}"]


def conformance() -> str:
    """The cases of the specification, by its groups."""
    return _table("group | cases | give the value | give the error | are refused, as they need", _conformance_rows())


def _conformance_rows() -> Iterator[list[str]]:
    groups = json.loads(CONFORMANCE.read_text("utf-8"))
    total: Counter[str] = Counter()
    for group, cases in groups.items():
        kinds = Counter(next(key for key in ("value", "error", "refused") if key in case) for case in cases)
        reasons = Counter(case["refused"] for case in cases if "refused" in case)
        total += kinds
        refused = ", ".join(f"{reason} ({count})" for reason, count in sorted(reasons.items()))
        yield [group, str(len(cases)), str(kinds["value"]), str(kinds["error"]), refused]
    yield ["**all**", str(total.total()), str(total["value"]), str(total["error"]), str(total["refused"])]


TABLES: Mapping[str, Callable[[], str]] = {
    "types": types,
    "names": names,
    "operators": operators,
    "functions": functions,
    "conversions": conversions,
    "macros": macros,
    "macroexamples": examples_of_macros,
    "outside": outside,
    "stricter": stricter,
    "words": words,
    "bounds": bounds,
    "costs": costs,
    "conformance": conformance,
}
