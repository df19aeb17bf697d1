"""Which type fits where: the assignability and type-variable rules of CEL's reference type checker.

Source of the rules: google/cel-cpp, `checker/internal/type_inference_context.cc`. Added to them are objects (records
with known members), which are also maps from string, and opaque types; `dyn` and the error type fit everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import is_
from typing import NamedTuple, TypeAlias

from somagent.governance.cel.types import (
    DYN,
    ERROR,
    STRING,
    Field,
    ListType,
    MapType,
    Members,
    ObjectType,
    OpaqueType,
    SimpleType,
    Type,
    TypeVariable,
)

Pending: TypeAlias = dict[int, Type]
_DEEPEST = 64  # named types inside each other that are compared
WITHOUT_VARIABLES = frozenset({SimpleType, ObjectType, OpaqueType})


class Overload(NamedTuple):
    """One signature of a function; type variables below 0 stand for "any type", the same at each place."""

    parameters: tuple[Type, ...]
    result: Type


class Inference:
    """What is known of the type variables of one expression."""

    def __init__(self) -> None:
        self._bound: dict[int, Type] = {}
        self._fitting: set[tuple[str, str]] = set()  # named types of which one fits the other, or is being compared
        self._depth = 0
        self._count = 0

    def fresh(self) -> TypeVariable:
        """A type variable nothing is known of."""
        self._count += 1
        return TypeVariable(self._count)

    def resolve(self, type_: Type) -> Type:
        """What is known of the type now; unknown parts stay variables."""
        return self._substitute(type_, finish=False)

    def finish(self, type_: Type) -> Type:
        """The type with every unknown (or wrong) part said to be `dyn`."""
        return self._substitute(type_, finish=True)

    def assign(self, source: Type, target: Type) -> bool:
        """Whether a `source` can stand where a `target` is wanted; if so, what that tells of variables is kept."""
        pending: Pending = {}
        fits = self._fits(source, target, pending)
        if fits:
            self._bound.update(pending)
        return fits

    def common(self, types: Iterable[Type]) -> Type:
        """The one type of several things side by side, `dyn` when they differ, nothing known when one is wrong."""
        types = tuple(types)
        if ERROR in types:
            return ERROR
        shared: Type = self.fresh()
        pending: Pending = {}
        for type_ in types:
            if not self._fits(type_, shared, pending):
                return DYN
        self._bound.update(pending)
        return self.resolve(shared)

    def apply(self, overloads: Iterable[Overload], arguments: tuple[Type, ...]) -> Type | None:
        """The result type of a call, `dyn` when several signatures fit and disagree, None when none fits."""
        result: Type | None = None
        for overload in overloads:
            if len(overload.parameters) != len(arguments):
                continue
            if all(map(is_, overload.parameters, arguments)):  # of the known types, as nearly always
                return overload.result
            names: dict[int, TypeVariable] = {}
            parameters = [self._instantiate(parameter, names) for parameter in overload.parameters]
            pending: Pending = {}
            pairs = zip(arguments, parameters, strict=True)
            if all(self._fits(argument, parameter, pending) for argument, parameter in pairs):
                self._bound.update(pending)
                found = self._instantiate(overload.result, names)
                result = found if result is None or result == found else DYN
        return None if result is None else self.resolve(result)

    def _instantiate(self, type_: Type, names: dict[int, TypeVariable]) -> Type:
        match type_:
            case TypeVariable(number) if number < 0:
                if number not in names:
                    names[number] = self.fresh()
                return names[number]
            case ListType(item):
                return ListType(self._instantiate(item, names))
            case MapType(key, value):
                return MapType(self._instantiate(key, names), self._instantiate(value, names))
            case _:
                return type_

    def _substitute(self, type_: Type, *, finish: bool) -> Type:
        if type(type_) in WITHOUT_VARIABLES:
            return DYN if finish and type_ == ERROR else type_
        type_ = self._look_up(type_, {})
        match type_:
            case TypeVariable():
                return DYN if finish else type_
            case ListType(item):
                found = self._substitute(item, finish=finish)
                return type_ if found is item else ListType(found)
            case MapType(key, value):
                return MapType(self._substitute(key, finish=finish), self._substitute(value, finish=finish))
            case _:
                return DYN if finish and type_ == ERROR else type_

    def _look_up(self, type_: Type, pending: Pending) -> Type:
        while isinstance(type_, TypeVariable):
            known = pending.get(type_.number) or self._bound.get(type_.number)
            if known is None:
                break
            type_ = known
        return type_

    def _fits(self, source: Type, target: Type, pending: Pending) -> bool:
        known_source, known_target = self._look_up(source, pending), self._look_up(target, pending)
        if known_source == known_target:
            return True
        if isinstance(known_source, TypeVariable) or isinstance(known_target, TypeVariable):
            return self._bind(known_source, known_target, pending)
        root = self._pending_root(target, pending)
        if root is not None:  # decided by what came before in this call: keep what admits both
            if not self._fits(known_source, known_target, pending):
                return False
            pending[root] = self._join(known_target, known_source, pending)
            return True
        if known_source in (DYN, ERROR) or known_target in (DYN, ERROR):
            return True
        match known_source, known_target:
            case ListType(item), ListType(wanted):
                return self._fits(item, wanted, pending)
            case MapType(key, value), MapType(wanted_key, wanted_value):
                return self._fits(key, wanted_key, pending) and self._fits(value, wanted_value, pending)
            case ObjectType(fields), ObjectType(wanted_fields):
                return self._named_fit(fields, wanted_fields, pending)
            case ObjectType(fields), MapType(wanted_key, wanted_value):
                return self._fits(STRING, wanted_key, pending) and self._values_fit(fields, wanted_value, pending)
            case MapType(key, value), ObjectType(fields):
                members = (self._fits(value, field.type, pending) for field in fields.values())
                return self._fits(key, STRING, pending) and all(members)
            case _:
                return False

    def _pending_root(self, type_: Type, pending: Pending) -> int | None:
        root = None
        while isinstance(type_, TypeVariable) and type_.number in pending:
            root = type_.number
            type_ = pending[root]
        return root

    def _join(self, one: Type, other: Type, pending: Pending) -> Type:
        """Of two types that fit: the one that claims less, part by part."""
        one, other = self._look_up(one, pending), self._look_up(other, pending)
        if one == other or isinstance(other, TypeVariable) or other == ERROR:
            return one
        if isinstance(one, TypeVariable) or one == ERROR:
            return other
        match one, other:
            case ListType(item), ListType(other_item):
                return ListType(self._join(item, other_item, pending))
            case MapType(key, value), MapType(other_key, other_value):
                return MapType(self._join(key, other_key, pending), self._join(value, other_value, pending))
            case (ObjectType(), MapType()) | (MapType(), ObjectType()):
                return MapType(STRING, DYN)
            case _:
                return DYN if DYN in (one, other) else one

    def _bind(self, source: Type, target: Type, pending: Pending) -> bool:
        if isinstance(source, TypeVariable) and isinstance(target, TypeVariable):
            pending[source.number] = target
            return True
        if isinstance(target, TypeVariable) and not self._occurs(target, source, pending):
            pending[target.number] = source
            return True
        if isinstance(source, TypeVariable) and not self._occurs(source, target, pending):
            pending[source.number] = target
            return True
        return False

    def _occurs(self, variable: TypeVariable, type_: Type, pending: Pending) -> bool:
        match self._look_up(type_, pending):
            case TypeVariable() as other:
                return other == variable
            case ListType(item):
                return self._occurs(variable, item, pending)
            case MapType(key, value):
                return self._occurs(variable, key, pending) or self._occurs(variable, value, pending)
            case _:
                return False

    def _named_fit(self, fields: Mapping[str, Field], wanted: Mapping[str, Field], pending: Pending) -> bool:
        """Two types that have names are compared once: inside themselves they fit if nothing else tells otherwise."""
        if not (isinstance(fields, Members) and isinstance(wanted, Members)):
            return self._members_fit(fields, wanted, pending)
        pair = (fields.meaning, wanted.meaning)
        if pair in self._fitting or self._depth >= _DEEPEST:
            return True
        before = self._fitting
        self._fitting = {*before, pair}
        self._depth += 1
        fits = self._members_fit(fields, wanted, pending)
        self._depth -= 1
        if not fits:
            self._fitting = before
        return fits

    def _members_fit(self, fields: Mapping[str, Field], wanted: Mapping[str, Field], pending: Pending) -> bool:
        for name, want in wanted.items():
            have = fields.get(name)
            if have is None:
                if want.required:
                    return False
            elif (want.required and not have.required) or not self._fits(have.type, want.type, pending):
                return False
        return True

    def _values_fit(self, fields: Mapping[str, Field], wanted: Type, pending: Pending) -> bool:
        types = [field.type for field in fields.values()]
        if isinstance(self._look_up(wanted, pending), TypeVariable):
            same = all(type_ == types[0] for type_ in types)
            return self._fits(types[0] if types and same else DYN, wanted, pending)
        return all(self._fits(type_, wanted, pending) for type_ in types)
