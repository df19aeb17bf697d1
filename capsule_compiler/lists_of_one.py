"""One value where a list is wanted: as a rule the list of this one value is meant."""

from __future__ import annotations

from msgspec.structs import replace

from somagent.governance.documents import Diagnostic, Edit, ScalarNode, Source


def list_of_one(source: Source, node: ScalarNode, mistake: Diagnostic) -> Diagnostic:
    """The mistake of a scalar that is one expression, with brackets around the scalar as the way out."""
    written = source.text[node.span.start : node.span.end]
    if "\n" in written or written[:1] not in {"'", '"', "$"}:
        return replace(mistake, help="write a list: lines that begin with `- `")
    if written.startswith("$"):  # plain text cannot stand in brackets with braces in it
        if '"' in written and "'" in written:
            return replace(mistake, help="write a list: lines that begin with `- `")
        written = f"'{written}'" if '"' in written or "\\" in written else f'"{written}"'
    text = f"[{written}]"
    return replace(mistake, help=f"write a list: `{text}`", edit=Edit(node.span, text, "write a list", safe=True))
