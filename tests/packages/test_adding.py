"""`somagent add` writes one use into a capsule and leaves everything else as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from package_folder import POLICY, Packages
from somagent_shell import Shell

from somagent.capsule_compiler.packages.adding import NewUse, NotEditable, with_use
from somagent.governance.documents import Source, read_yaml

HEAD = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: it }\nspec:\n"
STEPS = "  steps:\n    hello: { script: { run: echo hello } }\n"


def added(spec: str, use: NewUse = NewUse("policies", "gate", "acme/gate@^1.2.0"), head: str = HEAD) -> str:  # noqa: B008 - frozen
    source = Source("it.capsule.yaml", head + spec)
    root, found = read_yaml(source)
    assert root is not None, found
    text = with_use(source, root, use)
    assert text.startswith(head)
    return text.removeprefix(head)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "  # about\n  description: x  # why\n\n  # the steps\n" + STEPS,
            "  # about\n  description: x  # why\n\n  # the steps\n"
            "  uses: { policies: { gate: acme/gate@^1.2.0 } }\n" + STEPS,
        ),
        (
            "  uses:\n    policies:\n      other: ./other.yaml  # near\n      # last\n" + STEPS,
            "  uses:\n    policies:\n      other: ./other.yaml  # near\n"
            "      gate: acme/gate@^1.2.0\n      # last\n" + STEPS,
        ),
        (
            "  uses: { policies: { other: ./other.yaml } } # near\n" + STEPS,
            "  uses: { policies: { other: ./other.yaml, gate: acme/gate@^1.2.0 } } # near\n" + STEPS,
        ),
        (
            "  uses:\n    tools: { repo: soma/git }  # it\n" + STEPS,
            "  uses:\n    tools: { repo: soma/git }  # it\n    policies: { gate: acme/gate@^1.2.0 }\n" + STEPS,
        ),
        (
            "  uses: { tools: { repo: soma/git } }\n" + STEPS,
            "  uses: { tools: { repo: soma/git }, policies: { gate: acme/gate@^1.2.0 } }\n" + STEPS,
        ),
        ("  uses: {}\n" + STEPS, "  uses: { policies: { gate: acme/gate@^1.2.0 } }\n" + STEPS),
        ("  uses:\n" + STEPS, "  uses: { policies: { gate: acme/gate@^1.2.0 } }\n" + STEPS),
        (
            "  uses:\n    policies:\n" + STEPS,
            "  uses:\n    policies: { gate: acme/gate@^1.2.0 }\n" + STEPS,
        ),
        (
            "  uses: { policies: { gate: acme/gate@^1.0 } }  # old\n" + STEPS,
            "  uses: { policies: { gate: acme/gate@^1.2.0 } }  # old\n" + STEPS,
        ),
        (
            STEPS + "  uses:\n    policies:\n      other: ./other.yaml",
            STEPS + "  uses:\n    policies:\n      other: ./other.yaml\n      gate: acme/gate@^1.2.0",
        ),
        (
            "  uses:\r\n    policies:\r\n      other: ./other.yaml\r\n",
            "  uses:\r\n    policies:\r\n      other: ./other.yaml\r\n      gate: acme/gate@^1.2.0\r\n",
        ),
    ],
)  # fmt: skip
def test_only_the_use_is_written(before: str, after: str) -> None:
    assert added(before) == after


def test_a_capsule_in_one_line_stays_in_one_line() -> None:
    head = "{ apiVersion: somagent.io/v1alpha1, kind: Capsule, metadata: { name: it }, spec: "
    assert added("{ steps: {} } }\n", head=head) == "{ steps: {}, uses: { policies: { gate: acme/gate@^1.2.0 } } } }\n"


def test_what_would_come_out_otherwise_is_not_written() -> None:
    with pytest.raises(NotEditable, match="has no `spec`"):
        added("", head="apiVersion: somagent.io/v1alpha1\nspec: text\n")
    with pytest.raises(NotEditable, match="by hand"):
        added("  uses: [a]\n" + STEPS)


COMMENTS = st.sampled_from(["", "  # a", " #b: {", "  # c:\n"])


@given(st.permutations(["tools", "policies", "capsules"]), st.integers(0, 3), COMMENTS, st.booleans())
def test_comments_and_order_survive_every_layout(order: list[str], count: int, comment: str, flow: bool) -> None:
    entries = {"tools": "repo: soma/git", "policies": "other: ./other.yaml", "capsules": "scan: ./scan.yaml"}
    lines = [f"    {name}: {{ {entries[name]} }}{comment}\n" for name in order[:count]]
    if not flow:
        lines = [f"    {name}:{comment}\n      {entries[name]}{comment}\n" for name in order[:count]]
    before = ("  uses:\n" + "".join(lines) if lines else "") + STEPS
    after = added(before)
    kept = [line for line in before.splitlines() if line.strip()]
    changed = [line for line in kept if line not in after.splitlines()]
    assert len(changed) <= 1
    assert after.count("acme/gate@^1.2.0") == 1
    assert after.count("#") == before.count("#")


def test_add_writes_the_newest_version_and_locks_it(somagent: Shell, packages: Packages) -> None:
    for version in ("1.0.0", "1.4.2", "2.0.0-rc.1"):
        packages.add("acme/release-policy", version)
    name = somagent.capsule("it", "  # uses nothing yet\n" + STEPS)
    done = somagent("add", "acme/release-policy")
    assert done.out.splitlines() == [
        "it.capsule.yaml: policy `release_policy` is acme/release-policy@^1.4.2",
        "wrote capsule.lock (1 package, 0 files)",
        "  acme/release-policy 1.4.2",
    ]
    text = (somagent.folder / name).read_text()
    assert text.endswith(
        "  # uses nothing yet\n  uses: { policies: { release_policy: acme/release-policy@^1.4.2 } }\n" + STEPS
    )
    assert somagent("check", name, "--locked").code == 0
    again = somagent("add", "acme/release-policy@~1.0", name, "--as", "release_policy")
    assert again.out.splitlines()[2] == "  acme/release-policy 1.4.2 -> 1.0.0"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["acme/relaese"], 2, "there is no package `acme/relaese`; did you mean `acme/release`?"),
        (["acme/release@^3"], 2, "no version of `acme/release` fits `^3`; there are 1.0.0"),
        (["acme"], 2, "`acme` is not a package like `acme/release` or `acme/release@^1.2` (^ ~ = >=)"),
        (["acme/release@1"], 2, "`acme/release@1` is not a package like"),
        (["../../etc/passwd"], 2, "`../../etc/passwd` is not a package like"),
        (["acme/release", "--as", "1st"], 2, "`1st` is not a name that steps can use"),
        (["acme/release", "--as", "taken"], 2, "`taken` is there already under `uses.policies`"),
        (["acme/broken"], 1, "`acme/broken` cannot be used: acme/broken/1.0.0/package.yaml:3:10: "),
        (["acme/needy"], 1, "`it.capsule.yaml` was not changed"),
        (["acme/release", "nothing.capsule.yaml"], 2, "cannot read `nothing.capsule.yaml`"),
    ],
)
def test_what_cannot_be_added_changes_nothing(
    arguments: list[str], code: int, said: str, somagent: Shell, packages: Packages
) -> None:
    packages.add("acme/release", "1.0.0")
    packages.add("acme/broken", "1.0.0", package="Acme/Broken")
    packages.add("acme/needy", "1.0.0", requires={"acme/gone": "^1"})
    name = somagent.capsule("it", "  uses: { policies: { taken: ./near.yaml } }\n" + STEPS)
    before = (somagent.folder / name).read_bytes()
    done = somagent("add", *arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert (somagent.folder / name).read_bytes() == before
    assert not (somagent.folder / "capsule.lock").exists()


@pytest.mark.parametrize(
    ("provides", "content", "said"),
    [
        ("policy", POLICY.replace("effect: allow", "effect: alow"), "`alow` is not a value of `effect`"),
        (
            "persona",
            "apiVersion: somagent.io/v1alpha1\nkind: Persona\nmetadata: { name: a }\nspec: {}\n",
            "no `system`",
        ),
        ("capsule", HEAD + "  steps: { a: { scrip: { run: x } } }\n", "`scrip` is not a field of a step"),
    ],
)
def test_a_package_with_a_mistake_inside_is_not_added(
    provides: str, content: str, said: str, somagent: Shell, packages: Packages
) -> None:
    packages.add("acme/wrong", "1.0.0", provides=provides, content=content)
    name = somagent.capsule("it", STEPS)
    before = (somagent.folder / name).read_bytes()
    done = somagent("add", "acme/wrong")
    assert done.code == 1
    assert said in done.err
    assert "`it.capsule.yaml` was not changed" in done.err
    assert (somagent.folder / name).read_bytes() == before
    assert not (somagent.folder / "capsule.lock").exists()
