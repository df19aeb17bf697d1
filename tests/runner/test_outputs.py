"""Outputs are what was declared, large ones live in the content store, and the capsule's outputs come from them."""

import asyncio

import pytest
from msgspec.structs import replace

from somagent.capsule_compiler.plan import Hole, Template
from somagent.operators.operator import StepFailure
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.outputs import outputs_of
from somagent.operators.runner.values import digest_of_value, fetch, put_away

WORDS = {"count": {"type": "integer"}, "first": {"type": "array", "items": {"type": "string"}}}


def writing(node, step, lines, outputs, **fields):
    text = "cat >> $SOMAGENT_OUTPUT <<'SOMAGENT'\n" + "\n".join(lines) + "\nSOMAGENT"
    return node(step, arguments={"run": text}, outputs=outputs, **fields)


def test_every_fault_of_the_outputs_is_told(stage, go, node, plan):
    outputs = {
        "risk": {"type": "integer", "maximum": 10},
        "modules": {"type": "array", "items": {"$ref": "#/types/Module"}},
        "gone": {"type": "string"},
        "choice": {"type": "string", "enum": ["a", "b"]},
    }
    types = {"Module": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}}
    lines = ["risk=12", 'modules=[{"name":"x"},{"name":3},{}]', "choice=c", "extra=1"]

    async def main():
        await stage.start(plan(writing(node, "a", lines, outputs), types=types))
        result = await stage.step("a")
        assert (result.phase, result.failure.failure_class) == ("Failed", "invalid_output")
        assert result.failure.message.splitlines() == [
            'output `choice`: "c" is not one of "a" or "b"',
            "output `gone` is missing",
            'output `modules`, at `[1].name`: 3 is not of type "string"',
            'output `modules`, at `[2]`: "name" is a required property',
            "output `risk`: 12 is greater than the maximum of 10",
            "output `extra` is not declared",
        ]
        assert result.outputs == {}

    go(main())


def test_an_integer_beyond_64_bits_is_refused(stage, go, node, plan):
    async def main():
        await stage.start(plan(writing(node, "a", [f"n={2**70}"], {"n": {"type": "integer"}})))
        assert (await stage.step("a")).failure.failure_class == "invalid_output"

    go(main())


def test_an_integer_beyond_53_bits_keeps_its_digits(stage, go, node, plan):
    async def main():
        n = 2**62 + 1
        outputs = {"n": Template(holes=[Hole(at=[], cel="steps.a.n")])}
        await stage.start(plan(writing(node, "a", [f"n={n}"], {"n": {"type": "integer"}}), outputs=outputs))
        assert (await stage.step("a")).output_digest == digest_of_value({"n": n})
        assert await stage.outputs() == {"n": n}

    go(main())


BIG = """
python3 - >> $SOMAGENT_OUTPUT <<'X'
import json
print("big=" + json.dumps(["x" * 99] * 1000))
print("small=1")
X
"""


def test_a_large_value_is_content_and_comes_back_whole(stage, go, node, plan):
    async def main():
        hole = (["text"], {"cel": "string(size(steps.a.big)) + steps.a.big[999]"})
        first = node("a", arguments={"run": BIG}, outputs={"big": {"type": "array"}, "small": {"type": "integer"}})
        second = node("b", "words", arguments={"text": None}, outputs=WORDS, holes=[hole])
        outputs = {"big": Template(holes=[Hole(at=[], cel="steps.a.big")])}
        await stage.start(plan(first, second, outputs=outputs))
        result = await stage.step("a")
        assert list(result.outputs["big"]) == ["$content"]
        assert result.outputs["small"] == 1
        assert outputs_of(result, stage.contents)["big"] == ["x" * 99] * 1000
        assert (await stage.step("b")).outputs["first"] == ["1000" + "x" * 99]
        assert await stage.outputs() == {"big": ["x" * 99] * 1000}

    go(main())


def test_nobody_can_point_at_content_by_writing_a_digest(tmp_path):
    contents = Contents(tmp_path)
    secret = contents.put_bytes(b'"secret"')
    outputs = {"a": {"$content": secret}, "b": {"$content": 1, "more": 2}}
    recorded = put_away(outputs, contents)
    assert recorded["a"]["$content"] != secret
    assert fetch(recorded, contents) == outputs


def test_lost_content_is_a_clear_failure(stage, go, node, plan):
    async def main():
        first = writing(node, "a", ["big=" + "x" * 70_000], {"big": {"type": "string"}})
        second = node("b", "words", arguments={"text": "x"}, outputs=WORDS, guard="size(steps.a.big) > 0")
        await stage.start(plan(first, second))
        result = await stage.step("a")
        digest = result.outputs["big"]["$content"]
        for path in stage.content(digest):
            path.chmod(0o644)
            path.write_bytes(path.read_bytes()[:-2] + b'y"')
        failed = await stage.step("b")
        assert failed.phase == "Failed"
        assert "is damaged" in failed.failure.message

    go(main())


def test_an_output_of_the_capsule_without_a_value_is_named(stage, go, node, plan):
    async def main():
        outputs = {"n": Template(holes=[Hole(at=[], cel="10 / steps.a.n")])}
        await stage.start(plan(writing(node, "a", ["n=0"], {"n": {"type": "integer"}}), outputs=outputs))
        await stage.step("a")
        with pytest.raises(StepFailure, match=r"output `n`: `10 / steps\.a\.n` has no value: division by zero"):
            await stage.outputs()

    go(main())


def test_an_artifact_output_is_a_path_for_the_next_step(stage, go, node, plan):
    async def main():
        tree = {"d": {"type": "artifact", "path": "d"}}
        first = node("a", arguments={"run": "mkdir d; echo hello > d/f"}, outputs=tree)
        read = {"run": 'echo "seen=$(cat "$D"/f)" >> $SOMAGENT_OUTPUT', "env": {"D": None}}
        hole = (["env", "D"], {"cel": "steps.a.d"})
        second = node("b", arguments=read, holes=[hole], outputs={"seen": {"type": "string"}})
        await stage.start(plan(first, second))
        await stage.step("a")
        assert (await stage.step("b")).outputs == {"seen": "hello"}

    go(main())


def test_what_is_not_an_artifact_is_refused_where_one_is_declared(stage, go, node, plan):
    async def main():
        step = node("a", "words", arguments={"text": "x"}, outputs={**WORDS, "count": {"type": "artifact"}})
        await stage.start(plan(step))
        assert (await stage.step("a")).failure.message == "output `count` must be an artifact"

    go(main())


def test_a_cancelled_step_leaves_no_result_no_process_and_no_folder(stage, go, node, plan):
    async def main():
        step = node("a", arguments={"run": "echo started; (setsid sleep 976 &) ; sleep 976"})
        await stage.start(plan(step))
        work = asyncio.create_task(stage.step("a"))
        log = stage.log_path(stage.key("a"), 1)
        while not log.exists():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.01)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await stage.leave()
        assert await stage.ledger.result(stage.key("a")) is None
        assert stage.attempt_folders() == []

    go(main())


def test_a_result_is_written_once_even_when_two_come_in(stage, go, node, plan):
    async def main():
        await stage.start(plan(node("a", "words", arguments={"text": "x"}, outputs=WORDS)))
        first = await stage.step("a")
        assert await stage.ledger.record(None, replace(first, phase="Failed")) == first

    go(main())
