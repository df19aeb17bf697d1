"""The server under bad texts, bad requests, haste and clients that go: it answers, or it ends; it never hangs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from editor import Editor, in_editor
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from somagent_shell import COMMAND, Shell

CAPSULE = (Path(__file__).parent / "demo.capsule.yaml").read_text(encoding="utf-8")
GARBAGE = [
    "",
    "\x00\x01",
    "spec: [",
    "a: &x [*x, *x]",
    "\t\t{{{{ ${{ ${{",
    "spec:\n  steps:\n    a: {",
    "kind: Capsule\napiVersion: somagent.io/v1alpha1\nspec: {steps: {a: {if: '",
    CAPSULE.replace("\n", "\r"),
    CAPSULE.replace("\n", "\u2028"),
    CAPSULE[: len(CAPSULE) // 2],
    "\U0001f600: ${{ steps." + "a." * 500,
    "- " * 200,
    "# somagent.io/\n" + "x" * 2_000_000,
]


async def _ask_everything(editor: Editor, position: types.Position) -> None:
    document = editor.document
    options = types.FormattingOptions(2, insert_spaces=True)
    await editor.text_document_hover_async(types.HoverParams(document, position))
    await editor.text_document_completion_async(types.CompletionParams(document, position))
    await editor.text_document_definition_async(types.DefinitionParams(document, position))
    context = types.ReferenceContext(include_declaration=True)
    await editor.text_document_references_async(types.ReferenceParams(context, document, position))
    await editor.text_document_document_symbol_async(types.DocumentSymbolParams(document))
    await editor.text_document_formatting_async(types.DocumentFormattingParams(document, options))
    everywhere = types.Range(types.Position(0, 0), types.Position(9999, 0))
    await editor.text_document_code_action_async(
        types.CodeActionParams(document, everywhere, types.CodeActionContext([]))
    )


def test_no_document_stops_it(tmp_path: Path) -> None:
    async def session(editor: Editor) -> None:
        editor.open(CAPSULE)
        for text in GARBAGE:
            editor.change(text)
            for place in ((0, 0), (2, 3), (99999, 99999), (0, len(text))):
                await _ask_everything(editor, types.Position(*place))
        editor.change(CAPSULE)
        assert await editor.diagnostics() == []

    in_editor(tmp_path, session)


def test_a_capsule_cut_anywhere_can_be_asked_anything(tmp_path: Path) -> None:
    async def session(editor: Editor) -> None:
        editor.open(CAPSULE)
        for end in range(40, len(CAPSULE), 23):
            text = CAPSULE[:end]
            editor.change(text)
            line = text.count("\n")
            await _ask_everything(editor, types.Position(line, len(text) - text.rfind("\n") - 1))

    in_editor(tmp_path, session)


def test_the_last_of_many_quick_changes_is_what_counts(tmp_path: Path) -> None:
    async def session(editor: Editor) -> None:
        editor.open(CAPSULE)
        for at in range(200):
            editor.change(CAPSULE.replace("s.count > 0", f"s.count > {at}" if at % 2 else "s.coumt > 0"))
        assert await editor.diagnostics() == []
        assert len(editor.published) < 20, "not every keystroke is checked"

    in_editor(tmp_path, session)


def test_a_bad_request_is_an_error_of_that_request(tmp_path: Path) -> None:
    async def session(editor: Editor) -> None:
        editor.open(CAPSULE)
        with pytest.raises(JsonRpcException):
            await editor.protocol.send_request_async("textDocument/nothingOfTheKind", {})
        unknown = types.TextDocumentIdentifier("file:///nowhere/else.capsule.yaml")
        assert await editor.text_document_hover_async(types.HoverParams(unknown, types.Position(0, 0))) is None
        assert await editor.diagnostics() == []

    in_editor(tmp_path, session)


def test_a_name_that_is_refused_is_an_answer_and_nothing_for_the_log(tmp_path: Path) -> None:
    uri = (tmp_path / "demo.capsule.yaml").as_uri()
    document = {"uri": uri, "languageId": "yaml", "version": 1, "text": CAPSULE}
    place = {"textDocument": {"uri": uri}, "position": {"line": 0, "character": 1}, "newName": "new"}
    sent = [
        {"id": 1, "method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": {}}},
        {"method": "initialized", "params": {}},
        {"method": "textDocument/didOpen", "params": {"textDocument": document}},
        {"id": 2, "method": "textDocument/rename", "params": place},
        {"id": 3, "method": "shutdown"},
        {"method": "exit"},
    ]
    bodies = [json.dumps({"jsonrpc": "2.0", **one}) for one in sent]
    text = "".join(f"Content-Length: {len(body.encode())}\r\n\r\n{body}" for body in bodies).encode()
    done = subprocess.run([str(COMMAND), "lsp"], input=text, capture_output=True, cwd=tmp_path, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"there is no name here that the capsule defines" in done.stdout


def test_a_client_that_goes_without_a_word_ends_the_server(tmp_path: Path) -> None:
    async def session() -> int:
        editor = Editor(tmp_path)
        await editor.begin()
        editor.open(CAPSULE)
        await editor.diagnostics()
        process = editor._server
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        return await asyncio.wait_for(process.wait(), 20)

    assert asyncio.run(session()) == 0


@pytest.mark.parametrize("sent", [b"", b"hello\r\n", b"Content-Length: 5\r\n\r\nabc", b"Content-Length: 3\r\n\r\n{]}"])
def test_what_is_no_message_ends_or_is_passed_over(sent: bytes, tmp_path: Path) -> None:
    done = subprocess.run([str(COMMAND), "lsp"], input=sent, capture_output=True, cwd=tmp_path, timeout=30, check=False)
    assert done.returncode in (0, 1)


def test_a_file_that_is_saved_beside_a_capsule_is_seen(tmp_path: Path) -> None:
    text = CAPSULE.replace("  inputs:", "  uses: { policies: { law: ./law.yaml } }\n  inputs:", 1)

    async def session(editor: Editor) -> None:
        editor.open(text)
        first = await editor.diagnostics()
        assert any("law.yaml" in one.message for one in first), [one.message for one in first]

    in_editor(tmp_path, session)


def test_it_says_which_extra_is_missing_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "pygls.py").write_text("raise ImportError('not installed')\n")
    ended = Shell(tmp_path)("lsp", PYTHONPATH=str(tmp_path))
    assert (ended.code, ended.out) == (2, "")
    assert (
        f"error: the language server needs pygls (the extra `editor`): {sys.executable} -m pip install pygls\n"
        == ended.err
    )
