"""What an editor gets from the language server: each feature, asked over a real connection."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from editor import Editor, in_editor
from lsprotocol import types
from pygls.exceptions import JsonRpcException

CAPSULE = (Path(__file__).parent / "demo.capsule.yaml").read_text(encoding="utf-8")


def labels(items: list[types.CompletionItem]) -> list[str]:
    return [item.label for item in items]


def test_mistakes_come_while_typing_with_codes_and_pages_about_them(tmp_path: Path) -> None:
    async def session(editor: Editor) -> None:
        editor.open(CAPSULE)
        assert await editor.diagnostics() == []
        editor.change(CAPSULE.replace("s.count > 0", "s.coumt > 0"))
        (found,) = await editor.diagnostics()
        assert (found.code, found.source, found.severity) == ("CAP203", "somagent", types.DiagnosticSeverity.Error)
        assert editor.piece(found.range) == "coumt"
        assert "did you mean `count`?" in found.message
        assert found.code_description is not None
        assert _page(found.code_description.href).startswith("CAP203")

    in_editor(tmp_path, session)


def test_related_places_are_shown_with_a_mistake(tmp_path: Path) -> None:
    async def session(editor: Editor) -> None:
        editor.open(CAPSULE.replace("    sum:", "    scan:"))
        (found,) = await editor.diagnostics()
        assert found.code == "CAP010"
        (related,) = found.related_information or ()
        assert related.location.range.start == editor.at("    scan:", 4)

    in_editor(tmp_path, session)


def test_warnings_are_warnings_and_a_constitution_is_checked_as_one(tmp_path: Path) -> None:
    async def session(editor: Editor) -> None:
        text = "apiVersion: somagent.io/v1alpha1\nkind: Constitution\nmetadata: { name: x }\nspec: { rulez: {} }\n"
        editor.open(text, (tmp_path / "law.yaml").as_uri())
        assert "`rulez`" in "".join(one.message for one in await editor.diagnostics())

    in_editor(tmp_path, session)


def test_the_tests_of_a_capsule_are_held_against_it_while_they_are_written(tmp_path: Path) -> None:
    async def session(editor: Editor) -> None:
        (tmp_path / "tests").mkdir()
        hello = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: hello }\nspec:\n"
        (tmp_path / "hello.capsule.yaml").write_text(f"{hello}  steps: {{ greet: {{ script: {{ run: ls }} }} }}\n")
        tests = hello.replace("Capsule", "CapsuleTest")
        text = f"{tests}  cases: [{{ name: a, expect: {{ skipped: [gret] }} }}]\n"
        editor.open(text, (tmp_path / "tests" / "hello.yaml").as_uri())
        assert [one.code for one in await editor.diagnostics()] == ["CAP823"]

    in_editor(tmp_path, session)


def test_other_yaml_files_are_left_alone(tmp_path: Path) -> None:
    async def session(editor: Editor) -> None:
        editor.open("services: { web: { image: nginx } }\n", (tmp_path / "compose.yaml").as_uri())
        assert await editor.diagnostics() == []

    in_editor(tmp_path, session)


def test_a_client_that_asks_for_diagnostics_gets_them_once(tmp_path: Path) -> None:
    async def session(editor: Editor) -> None:
        editor.open(CAPSULE.replace("s.count > 0", "s.coumt > 0"))
        report = await editor.text_document_diagnostic_async(types.DocumentDiagnosticParams(editor.document))
        assert [one.code for one in report.items] == ["CAP203"]
        await asyncio.sleep(0.5)  # longer than a pause in typing
        assert editor.published == []

    asks = types.ClientCapabilities(
        text_document=types.TextDocumentClientCapabilities(diagnostic=types.DiagnosticClientCapabilities())
    )
    in_editor(tmp_path, session, asks)


def test_a_quick_fix_mends_the_mistake(tmp_path: Path) -> None:
    async def session(editor: Editor) -> None:
        editor.open(CAPSULE.replace("s.count > 0", "s.coumt > 0"))
        (found,) = await editor.diagnostics()
        context = types.CodeActionContext([found])
        (action,) = (
            await editor.text_document_code_action_async(types.CodeActionParams(editor.document, found.range, context))
            or ()
        )
        assert isinstance(action, types.CodeAction)
        assert action.edit is not None
        ((uri, (edit,)),) = (action.edit.changes or {}).items()
        assert (uri, edit.new_text, editor.piece(edit.range)) == (editor.uri, "count", "coumt")

    in_editor(tmp_path, session)


HOVERS = [
    ("s.count > 0", 3, "s.count: int\n```\n\nHow many"),
    ("scan.exists", 1, "steps.scan: list({count: int, found: list({name: string}), status: string"),
    ("exists(", 2, "exists(x, condition) -> bool"),
    ("[scan", 2, "steps.scan: list, one for each item of a script step"),
    ("{ path", 3, "path: string"),
    ("maxItems", 2, "Most items; bounds a fan-out"),
    ("script: {", 2, "Run a bash or Python script"),
]


def test_pointing_shows_types_and_words(tmp_path: Path) -> None:
    async def session(editor: Editor) -> None:
        editor.open(CAPSULE)
        for mark, plus, shown in HOVERS:
            found = await editor.text_document_hover_async(types.HoverParams(editor.document, editor.at(mark, plus)))
            assert found is not None, mark
            assert isinstance(found.contents, types.MarkupContent)
            assert shown in found.contents.value

    in_editor(tmp_path, session)


def test_expressions_complete_even_when_they_are_half_typed(tmp_path: Path) -> None:
    old = "steps.scan.exists(s, s.count > 0)"

    async def session(editor: Editor) -> None:
        editor.open(CAPSULE)
        assert labels(await editor.complete(CAPSULE.replace(old, "steps.@@"))) == ["scan"]
        assert labels(await editor.complete(CAPSULE.replace(old, "steps.scan.exists(s, s.co@@")))[:2] == [
            "count",
            "found",
        ]
        names = labels(await editor.complete(CAPSULE.replace(old, "@@")))
        assert {"inputs", "steps", "run", "has", "size", "true"} <= set(names)
        assert "path" not in names
        inside = labels(await editor.complete(CAPSULE.replace('P: "${{ path }}"', 'P: "${{ @@')))
        assert "path" in inside
        runs = labels(await editor.complete(CAPSULE.replace(old, "run.@@")))
        assert {"id", "submitter"} <= set(runs)
        given = await editor.complete(CAPSULE.replace(old, "inputs.@@"))
        assert [(one.label, one.detail) for one in given[:2]] == [("deep", "bool"), ("paths", "list(string)")]

    in_editor(tmp_path, session)


def test_keys_and_values_complete_in_both_styles_of_yaml(tmp_path: Path) -> None:
    async def session(editor: Editor) -> None:
        editor.open(CAPSULE)
        keys = labels(await editor.complete(CAPSULE.replace("      needs: [scan]", "      ret@@")))
        assert {"retry", "timeout", "needs"} <= set(keys)
        assert {"script", "policy"}.isdisjoint(keys), "the step has its operator"
        operators = labels(await editor.complete(CAPSULE.replace("  outputs: {", "    more:\n      @@\n  outputs: {")))
        assert {"script", "policy", "review", "bundle"} <= set(operators[:10])
        assert labels(await editor.complete(CAPSULE.replace("needs: [scan]", "needs: [@@]"))) == ["scan"]
        assert labels(await editor.complete(CAPSULE.replace("needs: [scan]", "needs:\n        - @@"))) == ["scan"]
        types_ = labels(await editor.complete(CAPSULE.replace("{ type: boolean,", "{ type: @@,")))
        assert {"boolean", "string", "artifact"} <= set(types_)
        assert labels(await editor.complete(CAPSULE.replace('"#/types/Finding"', '"@@"'))) == ["#/types/Finding"]

    in_editor(tmp_path, session)


def test_operators_come_as_snippets_with_their_needed_arguments(tmp_path: Path) -> None:
    text = CAPSULE.replace("  outputs: {", "    more:\n      @@\n  outputs: {")

    async def session(editor: Editor) -> None:
        editor.open(CAPSULE)
        review = next(one for one in await editor.complete(text) if one.label == "review")
        assert isinstance(review.text_edit, types.TextEdit)
        assert review.text_edit.new_text == "review:\n  title: $1"

    item = types.ClientCompletionItemOptions(snippet_support=True)
    can = types.CompletionClientCapabilities(completion_item=item)
    capabilities = types.ClientCapabilities(text_document=types.TextDocumentClientCapabilities(completion=can))
    in_editor(tmp_path, session, capabilities)


def test_a_step_is_renamed_wherever_it_is_named(tmp_path: Path) -> None:
    async def session(editor: Editor) -> None:
        editor.open(CAPSULE)
        place = editor.at("    scan:", 5)
        prepared = await editor.text_document_prepare_rename_async(types.PrepareRenameParams(editor.document, place))
        assert isinstance(prepared, types.PrepareRenamePlaceholder)
        assert prepared.placeholder == "scan"
        result = await editor.text_document_rename_async(types.RenameParams(editor.document, place, "look"))
        assert result is not None
        edits = (result.changes or {})[editor.uri]
        assert {editor.piece(one.range) for one in edits} == {"scan"}
        editor.change(_edited(editor.text, edits))
        assert "scan" not in editor.text.replace("a scan", "")
        assert await editor.diagnostics() == []

    in_editor(tmp_path, session)


GRANTED = """apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: a }
spec:
  uses: { secrets: { token: { secret: writer, key: token, grantTo: [push] } } }
  steps:
    push: { script: { run: git push, env: { TOKEN: "${{ secrets.token }}" } } }
    look: { script: { run: "true" } }
"""


def test_who_was_granted_a_secret_and_the_secret_are_renamed_where_they_are_granted_and_read(tmp_path: Path) -> None:
    async def session(editor: Editor) -> None:
        editor.open(GRANTED)
        for place, new in (("    push:", "send"), ("secrets: { token", "key_of_git")):
            params = types.RenameParams(editor.document, editor.at(place, len(place) - 2), new)
            result = await editor.text_document_rename_async(params)
            assert result is not None
            edits = (result.changes or {})[editor.uri]
            assert len(edits) == 2
            editor.change(_edited(editor.text, edits))
            assert await editor.diagnostics() == []
        params = types.RenameParams(editor.document, editor.at("    send:", 6), "look")
        with pytest.raises(JsonRpcException, match="there is a step `look` already"):
            await editor.text_document_rename_async(params)

    in_editor(tmp_path, session)


REFUSED = [("sum", "there is a step `sum` already"), ("Bad", "is not a step id"), ("in", "is a word of")]


def test_a_name_that_cannot_be_is_refused(tmp_path: Path) -> None:
    async def session(editor: Editor) -> None:
        editor.open(CAPSULE)
        for new, why in REFUSED:
            params = types.RenameParams(editor.document, editor.at("    scan:", 5), new)
            with pytest.raises(JsonRpcException, match=why):
                await editor.text_document_rename_async(params)

    in_editor(tmp_path, session)


def test_definitions_and_references_are_found_through_macros(tmp_path: Path) -> None:
    async def session(editor: Editor) -> None:
        editor.open(CAPSULE)
        place = editor.at("s.count > 0", 3)
        found = await editor.text_document_definition_async(types.DefinitionParams(editor.document, place))
        assert isinstance(found, types.Location)
        assert found.range.start == editor.at("count: { type")
        context = types.ReferenceContext(include_declaration=False)
        used = await editor.text_document_references_async(types.ReferenceParams(context, editor.document, place))
        assert [editor.piece(one.range) for one in used or ()] == ["count", "count"]

    in_editor(tmp_path, session)


def test_the_outline_lists_steps_with_their_outputs(tmp_path: Path) -> None:
    async def session(editor: Editor) -> None:
        editor.open(CAPSULE)
        found = await editor.text_document_document_symbol_async(types.DocumentSymbolParams(editor.document))
        steps = next(one for one in found or () if one.name == "steps")
        assert isinstance(steps, types.DocumentSymbol)
        assert [(one.name, one.detail) for one in steps.children or ()] == [("scan", "script"), ("sum", "script")]
        assert [one.name for one in (steps.children or ())[0].children or ()] == ["count", "found"]

    in_editor(tmp_path, session)


def test_formatting_gives_the_one_layout(tmp_path: Path) -> None:
    async def session(editor: Editor) -> None:
        editor.open(CAPSULE.replace("kind: Capsule", "kind:    Capsule"))
        options = types.FormattingOptions(tab_size=2, insert_spaces=True)
        (edit,) = (
            await editor.text_document_formatting_async(types.DocumentFormattingParams(editor.document, options)) or ()
        )
        assert "kind: Capsule\n" in edit.new_text
        editor.change(edit.new_text)
        again = await editor.text_document_formatting_async(types.DocumentFormattingParams(editor.document, options))
        assert list(again or ()) == []

    in_editor(tmp_path, session)


@pytest.mark.parametrize("encoding", [types.PositionEncodingKind.Utf8, types.PositionEncodingKind.Utf16])
def test_places_behind_wide_characters_are_counted_as_agreed(
    encoding: types.PositionEncodingKind, tmp_path: Path
) -> None:
    text = CAPSULE.replace("inputs.deep && steps.scan", "inputs.deep && '\U0001f600é' != '' && steps.scn")
    offered = [types.PositionEncodingKind.Utf16]
    if encoding == types.PositionEncodingKind.Utf8:
        offered.append(encoding)
    capabilities = types.ClientCapabilities(general=types.GeneralClientCapabilities(position_encodings=offered))

    async def whole() -> None:
        editor = Editor(tmp_path)
        result = await editor.begin(capabilities)
        assert result.capabilities.position_encoding == encoding
        editor.open(text)
        (found,) = await editor.diagnostics()
        line = text.split("\n")[found.range.start.line]
        units = "utf-8" if encoding == types.PositionEncodingKind.Utf8 else "utf-16-le"
        width = 1 if encoding == types.PositionEncodingKind.Utf8 else 2
        before = line.encode(units)[: found.range.start.character * width].decode(units)
        assert before.endswith("steps.")
        assert await editor.end() == 0

    asyncio.run(asyncio.wait_for(whole(), 60))


def _page(address: str) -> str:
    return Path(address.removeprefix("file://")).read_text(encoding="utf-8")


def _edited(text: str, edits: object) -> str:
    lines = text.split("\n")
    assert isinstance(edits, list | tuple)
    for edit in sorted(edits, key=lambda one: (one.range.start.line, one.range.start.character), reverse=True):
        line = lines[edit.range.start.line]
        lines[edit.range.start.line] = (
            line[: edit.range.start.character] + edit.new_text + line[edit.range.end.character :]
        )
    return "\n".join(lines)
