"""Tokens to a syntax tree, by operator precedence; what CEL has and this subset has not is named, never guessed at.

Depth is bounded twice: nesting while reading, and the height of the finished tree (a row of a hundred `+` is a hundred
deep). Rows of `&&` and `||` become balanced trees, as in the reference implementations: their value does not depend on
grouping.
"""

from __future__ import annotations

from typing import cast

from msgspec.structs import replace

from somagent.governance.cel import lexer, literals
from somagent.governance.cel.faults import SyntaxFault
from somagent.governance.cel.precedence import PRECEDENCE, Operator, reduce_one, reduce_row
from somagent.governance.cel.syntax import (
    Call,
    Conditional,
    Expr,
    Has,
    Index,
    ListLiteral,
    Literal,
    Macro,
    MacroName,
    MapLiteral,
    Name,
    Select,
    Unary,
    children,
)
from somagent.governance.cel.writer import write
from somagent.governance.documents import Diagnostic, Edit, Span

MAX_DEPTH = 64
MAX_LENGTH = 20_000
SPLIT = "take parentheses away, or work out a part of it in a step before"
MACROS = ("all", "exists", "exists_one", "filter", "map")

_WORDS = {"and": "&&", "or": "||", "not": "!"}
_WORDS_AND_SIGNS = frozenset({"operator", "name"})
_PREFIXES = frozenset("!-")
_NOT_NAMES = lexer.KEYWORDS | lexer.RESERVED
_CONSTANTS = {"true": True, "false": False, "null": None}


def parse(text: str) -> Expr:
    """The syntax tree of a whole expression. Raises `SyntaxFault` with everything found."""
    if len(text) > MAX_LENGTH:
        message = f"an expression has at most {MAX_LENGTH} characters; this one has {len(text)}"
        raise SyntaxFault((Diagnostic("expression-too-long", message, Span(0, len(text)), help=SPLIT),))
    return parse_range(text, 0, len(text))


def parse_range(text: str, start: int, end: int) -> Expr:
    """The syntax tree of `text[start:end]`, with spans that count from the beginning of `text`."""
    return _Parser(text, start, end).whole()


class _Parser:
    def __init__(self, text: str, start: int, end: int) -> None:
        self.text = text
        self.start = start
        self.end = end
        self.token = lexer.Token("end", "", start, start)
        self.word = ""  # what the token says, if it is an operator or a name
        self.last_end = start
        self.depth = 0
        self.diagnostics: list[Diagnostic] = []

    def whole(self) -> Expr:
        try:
            self.advance()
            if self.token.kind == "end":
                help_ = "write one, such as true, or take the field away"
                raise self.fault("empty-expression", "there is no expression here", Span(self.start, self.end), help_)
            expr = self.expression()
            if self.token.kind != "end":
                raise self.unexpected("an operator or the end")
        except SyntaxFault as fault:
            raise SyntaxFault((*self.diagnostics, *fault.diagnostics)) from None
        if self.diagnostics:
            raise SyntaxFault(tuple(self.diagnostics))
        if self.end - self.start > MAX_DEPTH:  # each level of a tree takes a character at the least
            _check_height(expr)
        return expr

    # Tokens

    def advance(self) -> lexer.Token:
        token = self.token
        self.last_end = token.end
        self.token = after = lexer.next_token(self.text, token.end, self.end)
        self.word = after.text if after.kind in _WORDS_AND_SIGNS else ""
        return token

    def at(self, text: str) -> bool:
        return self.word == text

    def accept(self, text: str) -> bool:
        if self.word == text:
            self.advance()
            return True
        return False

    def expect(self, text: str, opened: Span | None = None) -> None:
        if not self.at(text):
            raise self.unexpected(f"`{text}`" if opened is None else f"`,` or `{text}`", opened)
        self.advance()

    def close_parenthesis(self, opened: Span) -> None:
        if not self.accept(")"):
            raise self.unexpected("an operator or `)`", opened)

    def report(self, name: str, message: str, span: Span, help_: str = "", edit: Edit | None = None) -> None:
        self.diagnostics.append(Diagnostic(name, message, span, help=help_, edit=edit))

    def fault(self, name: str, message: str, span: Span, help_: str = "", edit: Edit | None = None) -> SyntaxFault:
        return SyntaxFault((Diagnostic(name, message, span, help=help_, edit=edit),))

    def unexpected(self, wanted: str, opened: Span | None = None) -> SyntaxFault:
        found = "the end" if self.token.kind == "end" else f"`{self.token.text}`"
        word = _WORDS.get(self.token.text) if self.token.kind == "name" else None
        if word:
            edit = Edit(self.token.span, word, f"write `{word}`", safe=word != "!")
            return self.fault(
                "expression-syntax", f"{found} is not an operator: use `{word}`", self.token.span, edit=edit
            )
        if opened is not None and self.token.kind == "end":
            mark = self.text[opened.start : opened.end]
            return self.fault("expression-syntax", f"`{mark}` is never closed", opened)
        return self.fault("expression-syntax", f"expected {wanted}, found {found}", self.token.span)

    def since(self, start: int) -> Span:
        return Span(start, self.last_end)

    # Grammar

    def expression(self) -> Expr:
        """`or ? or : expression`, the middle without a bare `?:`, as CEL's grammar has it."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.fault(
                "expression-too-deep", f"expressions nest at most {MAX_DEPTH} levels deep", self.token.span, SPLIT
            )
        expr = self.binary()
        if self.word == "?":
            self.advance()
            if self.at("."):
                raise self.unsupported_optional(self.token.span)
            yes = self.binary()
            if self.at("?"):
                help_ = "put the inner `? :` in parentheses"
                raise self.fault("expression-syntax", "`?` cannot follow here", self.token.span, help_)
            self.expect(":")
            no = self.expression()
            expr = Conditional(expr, yes, no, Span(expr.span.start, no.span.end))
        self.depth -= 1
        return expr

    def binary(self) -> Expr:
        """Operands and operators with two stacks, so that a long row needs no recursion."""
        first = self.unary()
        if self.word not in PRECEDENCE:
            return first
        operands: list[Expr] = [first]
        operators: list[Operator] = []
        while (precedence := PRECEDENCE.get(self.word)) is not None:
            token = self.advance()
            while operators and PRECEDENCE[operators[-1].text] >= max(precedence, 3):
                reduce_one(operands, operators)
            if precedence < 3:
                while operators and PRECEDENCE[operators[-1].text] > precedence:
                    reduce_row(operands, operators)
            operators.append(Operator(token.text, token.span))
            operands.append(self.unary())
        while operators:
            reduce_row(operands, operators)
        return operands[0]

    def unary(self) -> Expr:
        """`!`s or `-`s, never mixed, before a member; a single minus before a number belongs to the number.

        Pairs cancel out, as in the reference implementations, so that `--x` has a value even for the smallest int.
        """
        if self.word not in _PREFIXES:
            return self.member()
        operator, start, count = self.token.text, self.token.start, 0
        while self.accept(operator):
            count += 1
        if self.word in _PREFIXES:
            raise self.fault(
                "expression-syntax", "`!` and `-` cannot stand side by side", self.token.span, "use parentheses"
            )
        if operator == "-" and count == 1 and self.token.kind in ("int", "float"):
            return self.member(sign_start=start)
        expr = self.member()
        return Unary(operator * (2 - count % 2), expr, Span(start, expr.span.end))

    def member(self, sign_start: int | None = None) -> Expr:
        start = self.token.start if sign_start is None else sign_start
        expr = self.primary() if sign_start is None else self.number(sign_start)
        while True:
            if self.word == ".":
                expr = self.after_dot(expr, start)
            elif self.word == "[":
                opened = self.advance().span
                if self.at("?"):
                    raise self.unsupported_optional(self.token.span)
                index = self.expression()
                self.expect("]", opened)
                expr = Index(expr, index, self.since(start))
            elif self.word == "{" and isinstance(expr, Name | Select):
                message = "messages cannot be built in this subset of CEL"
                help_ = 'write a map: {"name": value}'
                raise self.fault("expression-unsupported", message, Span(start, self.token.end), help_)
            else:
                return expr

    def after_dot(self, operand: Expr, start: int) -> Expr:
        names = lexer.members_at(self.text, self.token.start, self.end)
        if names:
            return self.members(operand, names, start)
        token = self.name_after_dot()
        if token.text == "*":
            return self.star(operand, token, start)
        if token.kind == "quoted":
            return Select(operand, token.text[1:-1], token.span, self.since(start))
        return self.member_or_call(operand, token, start)

    def members(self, operand: Expr, names: list[str], start: int) -> Expr:
        """Names that stand beside their dots, as nearly always; the current token is what stands before them."""
        at = self.token.end if self.word == "." else self.token.end + 1
        for name in names[:-1]:
            end = at + len(name)
            operand = Select(operand, name, Span(at, end), Span(start, end))
            at = end + 1
        self.token = token = lexer.Token("name", names[-1], at, at + len(names[-1]))
        self.advance()
        return self.member_or_call(operand, token, start)

    def member_or_call(self, operand: Expr, token: lexer.Token, start: int) -> Expr:
        if self.word != "(":
            return Select(operand, token.text, token.span, self.since(start))
        arguments = self.arguments()
        if token.text in MACROS or token.text in _TWO_VARIABLE_MACROS:
            return self.macro(operand, token, arguments, start)
        return Call(token.text, token.span, operand, arguments, self.since(start))

    def name_after_dot(self) -> lexer.Token:
        self.advance()
        if self.at("?"):
            raise self.unsupported_optional(self.token.span)
        if self.token.kind == "quoted":
            return self.advance()
        if self.token.kind == "name" and self.token.text in lexer.KEYWORDS:
            help_ = f'write ["{self.token.text}"]'
            raise self.fault("reserved-word", f"`{self.token.text}` cannot follow a dot", self.token.span, help_)
        if self.token.kind != "name" and not self.at("*"):
            raise self.unexpected("a name")
        return self.advance()

    def star(self, operand: Expr, token: lexer.Token, start: int) -> Expr:
        """`list.*.name`, as other languages read a member of every item."""
        body: Expr = Name("i", token.span)
        while self.word == ".":
            field = self.name_after_dot()
            body = Select(body, field.text, field.span, self.since(token.start))
        span = self.since(start)
        found = Macro("map", token.span, operand, "i", token.span, None, body, span)
        better = write(found) if isinstance(body, Select) else write(operand)
        edit = Edit(span, better, f"write {better}", safe=True)
        message = "`.*` is not in the language: `map` gives a value for every item of a list"
        self.report("expression-unsupported", message, token.span, f"write {better}", edit)
        return found

    def arguments(self) -> tuple[Expr, ...]:
        opened = self.advance().span
        found: list[Expr] = []
        while self.word != ")":
            found.append(self.expression())
            if not self.accept(","):
                break
            if self.at(")"):
                raise self.unexpected("an argument")
        self.expect(")", opened)
        return tuple(found)

    def macro(self, target: Expr, token: lexer.Token, arguments: tuple[Expr, ...], start: int) -> Expr:
        name, span = token.text, self.since(start)
        takes = 3 if name == "map" and len(arguments) == 3 else 2
        two_variables = len(arguments) >= 3 and all(isinstance(argument, Name) for argument in arguments[:2])
        if name in _TWO_VARIABLE_MACROS or (two_variables and (name != "map" or len(arguments) == 4)):
            help_ = "over a map, the one variable is the key: m.all(k, m[k] > 0)"
            raise self.fault(
                "expression-unsupported", "macros with two variables are not in this subset of CEL", span, help_
            )
        if len(arguments) != takes:
            example = f"list.{name}(x, {'x.name' if name == 'map' else 'x > 0'})"
            help_ = f"write {example}"
            raise self.fault("expression-syntax", f"`{name}` takes a variable and an expression", span, help_)
        variable = arguments[0]
        if not isinstance(variable, Name):
            message = f"the first argument of `{name}` is a new variable name"
            raise self.fault("macro-variable", message, variable.span, f"write list.{name}(x, ...)")
        condition = arguments[1] if takes == 3 else None
        kind = cast("MacroName", name)
        return Macro(kind, token.span, target, variable.name, variable.span, condition, arguments[-1], span)

    def primary(self) -> Expr:
        token = self.token
        match token.kind:
            case "name":
                return self.name()
            case "int" | "float" | "uint":
                return self.number(token.start)
            case "string" | "bytes":
                return self.string()
            case "operator" if token.text == "(":
                self.advance()
                expr = self.expression()
                self.close_parenthesis(token.span)
                return replace(expr, span=self.since(token.start))
            case "operator" if token.text == "[":
                return self.list_literal()
            case "operator" if token.text == "{":
                return self.map_literal()
            case "operator" if token.text == ".":
                help_ = "write the name without the dot in front"
                raise self.fault("expression-unsupported", "a name cannot start with a dot", token.span, help_)
            case "quoted":
                raise self.fault("expression-syntax", "only a field can be written in backquotes", token.span)
            case _:
                raise self.unexpected("a value")

    def number(self, start: int) -> Expr:
        token = self.advance()
        raw = ("-" if start < token.start else "") + token.text
        span = Span(start, token.end)
        if token.kind == "uint":
            edit = Edit(token.span, token.text[:-1], "drop the `u`")
            message = "unsigned numbers are not in this subset of CEL"
            self.report("expression-unsupported", message, token.span, edit=edit)
            return Literal(0, raw, span)
        read = literals.read_int if token.kind == "int" else literals.read_double
        try:
            return Literal(read(raw), raw, span)
        except literals.LiteralFault as fault:
            help_ = "whole numbers end at 9223372036854775807; with a point (1.0e19) it is a double"
            self.report("invalid-literal", fault.message, span, help_ if token.kind == "int" else "")
            return Literal(0, raw, span)

    def string(self) -> Expr:
        token = self.advance()
        if token.kind == "bytes":
            edit = Edit(token.span, token.text[1:], "drop the `b`")
            self.report("expression-unsupported", "bytes are not in this subset of CEL", token.span, edit=edit)
            return Literal("", token.text, token.span)
        try:
            return Literal(literals.read_string(token.text), token.text, token.span)
        except literals.LiteralFault as fault:
            help_ = (
                r"escapes are \n \t \r \a \b \f \v \\ \" \' \` \?, \xhh, \uhhhh, \Uhhhhhhhh and \ooo; r\"...\" has none"
            )
            self.report("invalid-literal", fault.message, fault.span.shifted(token.start), help_)
            return Literal("", token.text, token.span)

    def name(self) -> Expr:
        token = self.token
        names = lexer.members_at(self.text, token.end, self.end)
        if names and token.text not in _NOT_NAMES:
            return self.members(Name(token.text, token.span), names, token.start)
        self.advance()
        if token.text in lexer.KEYWORDS:
            if token.text == "in":
                raise self.fault("expression-syntax", "a value is missing before `in`", token.span)
            return Literal(_CONSTANTS[token.text], token.text, token.span)
        if token.text in lexer.RESERVED:
            message = f"`{token.text}` is a reserved word of CEL and cannot be a name"
            self.report("reserved-word", message, token.span, "choose another name")
        if self.word == "(":
            arguments = self.arguments()
            if token.text == "has":
                return self.has(token, arguments)
            return Call(token.text, token.span, None, arguments, self.since(token.start))
        if token.text == "not" and self.token.kind in ("name", "int", "float", "string"):
            edit = Edit(token.span, "!", "write `!`")
            raise self.fault("expression-syntax", "`not` is not an operator: use `!`", token.span, edit=edit)
        return Name(token.text, token.span)

    def has(self, token: lexer.Token, arguments: tuple[Expr, ...]) -> Expr:
        span = self.since(token.start)
        if len(arguments) == 1 and isinstance(arguments[0], Select):
            field = arguments[0]
            return Has(field.operand, field.field, field.field_span, span)
        help_ = "has(a.b) asks whether `a` has the field `b`; for a key of a map use `key in map`"
        where = arguments[0].span if len(arguments) == 1 else span
        self.report("has-argument", "`has` takes one argument that ends in a field", where, help_)
        return Literal(value=False, raw="false", span=span)

    def list_literal(self) -> Expr:
        opened = self.advance().span
        items: list[Expr] = []
        while not self.at("]"):
            if self.at("?"):
                raise self.unsupported_optional(self.token.span)
            if not items and self.accept(","):
                break
            items.append(self.expression())
            if not self.accept(","):
                break
        self.expect("]", opened)
        return ListLiteral(tuple(items), self.since(opened.start))

    def map_literal(self) -> Expr:
        opened = self.advance().span
        entries: list[tuple[Expr, Expr]] = []
        while not self.at("}"):
            if self.at("?"):
                raise self.unsupported_optional(self.token.span)
            if not entries and self.accept(","):
                break
            key = self.expression()
            self.expect(":")
            entries.append((key, self.expression()))
            if not self.accept(","):
                break
        self.expect("}", opened)
        return MapLiteral(tuple(entries), self.since(opened.start))

    def unsupported_optional(self, span: Span) -> SyntaxFault:
        help_ = "ask first: has(a.b) ? a.b : other"
        return self.fault("expression-unsupported", "optional values (`?`) are not in this subset of CEL", span, help_)


_TWO_VARIABLE_MACROS = frozenset({"existsOne", "transformList", "transformMap", "transformMapEntry"})


def _check_height(expr: Expr) -> None:
    level: list[Expr] = [expr]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in children(node)]
        if not level:
            return
    message = f"expressions nest at most {MAX_DEPTH} levels deep"
    help_ = "each operator of a row of `+`, `-`, `*` counts as a level"
    raise SyntaxFault((Diagnostic("expression-too-deep", message, level[0].span, help=help_),))
