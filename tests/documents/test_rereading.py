"""Reading a document again after a change gives the tree of reading it anew, to the last place in it."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from somagent.governance.documents import (
    Before,
    MappingNode,
    Node,
    ScalarNode,
    Source,
    key_at,
    node_at,
    read_yaml,
    reread_yaml,
)

AT = ("spec", "steps")
TEXT = """\
# first
kind: Capsule
spec:
  inputs: { a: [1, 2], b: "x" }
  steps:
    one: { run: x, env: { A: "${{ a }}", B: 'it''s' } }  # behind
    two:
      run: |
        echo 1
          echo 2

    # between
    three:
      run: |2+
          kept

      list:
      - a
      - { b: c,
          d: e }
    four:
    "five": text that
      goes on
    six: {}
    seven: "a \\
      b"
    eight: last
  outputs: { x: z }
"""
PIECES = (
    *"ab1 :-#{}[]'\"|>&*!%?,\n\r\t\\~é",
    *(
        "\n    nine: 1",
        "\n      a: 1",
        "\n  x: 1",
        "\n--- 1",
        "\n...",
        "\n\n\n",
        "    ",
        ": ",
        "- ",
        " # x",
        "null",
        "|+\n",
        "? ",
    ),
)


def same(one: Node | None, other: Node | None) -> bool:
    """Whether two trees say the same of the same places."""
    if one is None or other is None or type(one) is not type(other) or one.span != other.span:
        return one is other
    if isinstance(one, ScalarNode) and isinstance(other, ScalarNode):
        return (one.value, type(one.value), one.text) == (other.value, type(other.value), other.text)
    if isinstance(one, MappingNode) and isinstance(other, MappingNode):
        pairs = zip(one.entries.values(), other.entries.values(), strict=False)
        return list(one.entries) == list(other.entries) and all(
            same(a.key, b.key) and same(a.value, b.value) for a, b in pairs
        )
    return len(one.items) == len(other.items) and all(map(same, one.items, other.items))  # type: ignore[union-attr]


@example(seed=14913)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_it_gives_the_tree_and_the_mistakes_of_reading_anew(seed: int) -> None:
    choose, text, before = random.Random(seed), TEXT, None
    for _ in range(8):
        source = Source("a.yaml", text)
        root, found = reread_yaml(source, before, AT)
        alone, mistakes = read_yaml(source)
        assert found == mistakes
        assert same(root, alone)
        if root is not None and not found:
            before = Before(source, root)
        elif choose.randrange(2):
            text = before.source.text if before is not None else TEXT  # undone
        at, cut = choose.randrange(len(text) + 1), choose.choice((0, 0, 0, 1, 2, 9))
        text = text[:at] + choose.choice(("", *PIECES)) + text[at + cut :]


@pytest.mark.parametrize(
    ("old", "new"), [("echo 1", "echo 11"), ("      - a\n", ""), ("run: x,", "run: xyz, more: 1,")]
)
def test_only_the_entry_that_was_changed_is_read(old: str, new: str) -> None:
    source = Source("a.yaml", TEXT)
    root, _ = read_yaml(source)
    assert root is not None
    changed = Source("a.yaml", TEXT.replace(old, new))
    again, found = reread_yaml(changed, Before(source, root), AT)
    assert again is not None
    assert (found, again.plain()) == ([], read_yaml(changed)[0].plain())  # type: ignore[union-attr]
    assert node_at(again, ("spec", "inputs")) is node_at(root, ("spec", "inputs"))
    assert key_at(again, ("spec", "outputs")) is not key_at(root, ("spec", "outputs"))
