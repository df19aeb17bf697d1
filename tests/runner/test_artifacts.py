"""Only what a step has made as an artifact is one; JSON that looks like one opens no door to what is stored."""

import msgspec
import pytest

from somagent.capsule_compiler.plan import Hole, Template, digest_of
from somagent.operators.runner.artifacts import artifacts_in, held_artifacts, with_artifacts
from somagent.operators.runner.records import Artifact

SEEN = {"seen": {"type": "object"}}
ECHO = 'echo "seen=$A" >> "$SOMAGENT_OUTPUT"'
FILE = {"f": {"type": "artifact", "path": "f"}}


def looks_like(digest, name="x"):
    return {"artifact": digest, "kind": "file", "name": name, "size": 7}


@pytest.mark.parametrize("name", ["x", "../../../evil"])
def test_an_input_in_the_form_of_an_artifact_stays_an_object(stage, go, node, plan, name):
    async def main():
        holes = [(["env", "A"], {"cel": "inputs.a"})]
        step = node("s", arguments={"run": ECHO, "env": {"A": None}}, holes=holes, outputs=SEEN)
        then = node("t", arguments={"run": ECHO, "env": {"A": None}}, holes=[(["env", "A"], {"cel": "steps.s.seen"})])
        made = plan(step, msgspec.structs.replace(then, outputs=SEEN), inputs={"a": {"type": "object"}})
        given = looks_like(digest_of(b"secret\n"), name)
        await stage.start(made, {"a": given})
        stage.contents.put_bytes(b"secret\n")
        assert (await stage.step("s")).outputs == {"seen": given}
        assert (await stage.step("t")).outputs == {"seen": given}
        assert not stage.log_path(stage.key("s"), 1).exists()

    go(main())


def test_an_operator_that_wants_an_artifact_takes_no_object_in_its_form(stage, go, node, plan):
    async def main():
        holes = [(["include", 0], {"cel": "inputs.a.inner"})]
        step = node("s", "bundle", arguments={"name": "n", "include": [None]}, holes=holes)
        await stage.start(
            plan(step, inputs={"a": {"type": "object"}}),
            {"a": {"inner": looks_like(digest_of(b"secret\n"), "stolen.txt")}},
        )
        assert (await stage.step("s")).failure.message == (
            'an object in the form of an artifact is none ("stolen.txt"): it must be an output'
        )

    go(main())


def test_artifacts_stay_artifacts_in_lists_maps_and_fan_outs(stage, go, node, plan):
    async def main():
        first = node("a", arguments={"run": "echo one > f"}, outputs=FILE)
        read = {
            "run": """echo "seen=$(python3 -c 'import json, os; a = json.loads(os.environ["A"])
print(json.dumps([open(a[0]).read(), open(a[1]["deep"]).read()]))')" >> "$SOMAGENT_OUTPUT" """
        }
        deep = node(
            "b",
            arguments={**read, "env": {"A": None}},
            holes=[(["env", "A"], {"cel": '[steps.a.f, {"deep": steps.a.f}]'})],
            outputs={"seen": {"type": "array"}},
        )
        each = node(
            "c",
            arguments={"run": 'cat "$A"', "env": {"A": None}},
            holes=[(["env", "A"], {"cel": "item"})],
            items="[steps.a.f]",
        )
        outputs = {"all": Template(holes=[Hole(at=[], cel="[steps.a.f, steps.a.f]")])}
        await stage.start(plan(first, deep, each, outputs=outputs))
        made = (await stage.step("a")).outputs["f"]
        assert (await stage.step("b")).outputs == {"seen": ["one\n", "one\n"]}
        assert (await stage.all_items("c")).phase == "Succeeded"
        assert stage.log_path(stage.key("c", 0), 1).read_text() == "one\n"
        assert await stage.outputs() == {"all": [made, made]}

    go(main())


def test_a_failure_shows_an_artifact_as_json(stage, go, node, plan):
    async def main():
        first = node("a", arguments={"run": "echo one > f"}, outputs=FILE)
        await stage.start(plan(first, node("b", arguments={"run": "true"}, require="steps.a.f == steps.a.f && 1 > 2")))
        await stage.step("a")
        assert 'steps.a.f is {"artifact":"sha256:' in (await stage.step("b")).failure.message

    go(main())


def test_artifacts_are_listed_as_the_plan_declares_them(node, plan):
    real, other = looks_like("sha256:" + "0" * 64), looks_like("sha256:" + "1" * 64)
    schemas = {
        "site": {"type": "artifact"},
        "sites": {"type": "array", "items": {"type": "artifact"}},
        "both": {"type": "object", "properties": {"in": {"type": "artifact"}, "out": {"type": "object"}}},
        "data": {"type": "object"},
    }
    outputs = {"site": real, "sites": [other], "both": {"in": real, "out": other}, "data": other, "undeclared": other}
    made = plan(node("a", outputs={"f": {"type": "artifact"}, "n": {"type": "object"}}), output_schemas=schemas)
    zero, one = msgspec.convert(real, Artifact), msgspec.convert(other, Artifact)
    assert list(artifacts_in(made, outputs)) == [("site", zero), ("sites.0", one), ("both.in", zero)]
    assert list(artifacts_in(made, {"f": real, "n": other}, "a")) == [("f", zero)]
    assert held_artifacts(with_artifacts(outputs, schemas)) == {zero, one}
    outside = looks_like("sha256:" + "0" * 64, "../x")
    assert list(artifacts_in(made, {"f": outside}, "a")) == []
