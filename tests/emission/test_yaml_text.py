"""What is written as YAML is read as it was meant, by 1.2 and by kubectl's 1.1."""

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from somagent.workflows.engines.argo.emit.yaml_text import write_documents

texts = st.text(st.characters(exclude_categories=["Cs"])) | st.text("ab: -#'\"\n\t{}", max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(texts.filter(bool), below, max_size=3),
    max_leaves=20,
)


@given(st.dictionaries(texts.filter(bool), values, min_size=1))
@example({"n": "n", "on": "1e3", "e": "0x1f", "a": "12345678e123", "d": "2020-01-01", "s": "1:30", "t": "~", "b": ".5"})
@example({"a": "one\n  two\n\nthree\n", "b": " one\n", "c": "one\n\n", "d": "\n", "e": "a\r\nb\n", "f": "a\n--- b\n"})
@example({"a": [["b", {"c": [], "d": {}}], []], "e": {"f": [{"g": "h", "i": ["j"]}]}})
def test_every_value_is_read_as_it_was(value):
    assert list(yaml.load_all(write_documents([value, value]), yaml.CSafeLoader)) == [value, value]


def test_texts_that_readers_take_for_something_else_are_quoted():
    text = write_documents([{"a": ["n", "Y", "on", "1e3", "12e3", "null", "word", "v1", "a/b.c-d"]}])
    quoted = ["n", "Y", "on", "1e3", "12e3", "null"]
    assert text == "---\na:\n" + "".join(f'- "{one}"\n' for one in quoted) + "- word\n- v1\n- a/b.c-d\n"
