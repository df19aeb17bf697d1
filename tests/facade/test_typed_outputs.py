"""Outputs as a type of the program: what cannot fit is said before anything runs, with its place."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

import msgspec
import pytest
from small_capsules import asked_capsule, sum_capsule

import somagent
from somagent.workflows.programs.outputs import check_outputs


class Inner(msgspec.Struct):
    name: str


@dataclass
class Sum:
    sum: int


class Total(msgspec.Struct):
    total: int = msgspec.field(name="sum")


class Said(TypedDict):
    sum: float


class Misspelt(msgspec.Struct):
    summ: int


class OfText(msgspec.Struct):
    sum: str | None


class Nested(msgspec.Struct):
    sum: list[Inner]


class More(msgspec.Struct):
    sum: Any
    late: int = 0


class Small(msgspec.Struct):
    sum: Literal[1, 2]


@pytest.mark.parametrize(
    ("wanted", "outputs"),
    [(Sum, Sum(42)), (Total, Total(42)), (Said, {"sum": 42}), (More, More(42))],
    ids=["dataclass", "struct", "typed-dict", "default"],
)
def test_the_outputs_are_of_the_type_that_was_asked_for(wanted: type, outputs: object, tmp_path: Path) -> None:
    result = somagent.run(sum_capsule(tmp_path), {"left": 40}, outputs=wanted, data_dir=tmp_path / "runs")
    assert result.outputs == outputs


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Misspelt, "`Misspelt.summ`: the capsule has no output `summ`; did you mean `sum`?"),
        (OfText, "`OfText.sum`: `sum` is of type integer, which is no `str` or `none`"),
        (Nested, "`Nested.sum`: `sum` is of type integer, which is no `list`"),
    ],
)
def test_what_cannot_fit_is_refused_before_there_is_a_run(wanted: type, said: str, tmp_path: Path) -> None:
    with pytest.raises(somagent.OutputsRefused) as caught:
        somagent.run(sum_capsule(tmp_path), {"left": 40}, outputs=wanted, data_dir=tmp_path / "runs")
    assert caught.value.problems == (said,)
    assert not (tmp_path / "runs").exists()


def test_what_only_the_values_tell_is_refused_with_its_place_and_the_run_is_kept(tmp_path: Path) -> None:
    with pytest.raises(somagent.OutputsRefused, match=r"are no `Small`: Invalid enum value 42 - at `\$\.sum`"):
        somagent.run(sum_capsule(tmp_path), {"left": 40}, outputs=Small, data_dir=tmp_path / "runs")
    with somagent.Runs(tmp_path / "runs") as runs:
        assert runs.get("last", outputs=Sum).result().outputs == Sum(42)


def test_a_type_without_fields_is_no_type_of_outputs(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="takes a msgspec Struct, a dataclass or a TypedDict, not `int`"):
        somagent.run(sum_capsule(tmp_path), {"left": 40}, outputs=int, data_dir=tmp_path / "runs")


class Row(msgspec.Struct):
    id: int


class Rows(TypedDict):
    rows: list[Row]
    page: somagent.Artifact


def test_types_are_looked_into_as_far_as_schemas_say_something(tmp_path: Path) -> None:
    plan = somagent.compile(asked_capsule(tmp_path)).plan
    closed = {"type": "object", "properties": {"id": {"type": "string"}}, "additionalProperties": False}
    schemas = {"rows": {"type": "array", "items": {"$ref": "#/types/Row"}}, "page": {"type": "artifact"}}
    typed = msgspec.structs.replace(plan, output_schemas=schemas, types={"Row": closed}, outputs=plan.outputs)
    with pytest.raises(somagent.OutputsRefused) as caught:
        check_outputs(typed, Rows)
    assert caught.value.problems == ("`Rows.rows`.id: `id` of an item of `rows` is of type string, which is no `int`",)
    check_outputs(msgspec.structs.replace(typed, types={}), Rows)
