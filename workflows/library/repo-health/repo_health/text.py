"""Names and lines of a repository are a stranger's text: they are made printable before anybody sees them.

Git paths are bytes. Inside the package they are `str` decoded with `surrogateescape`, so that every path can be asked
for again; `show` turns one into text that any terminal, JSON reader and browser can take.
"""

from __future__ import annotations

MESSAGE_LIMIT = 400  # characters
LINE_LIMIT = 2000  # characters of a line that checks look at; it also bounds what a hostile line can cost


def decode_path(raw: bytes) -> str:
    """A git path as `str`; bytes that are no UTF-8 become lone surrogates and survive the way back."""
    return raw.decode("utf-8", "surrogateescape")


def show(text: str, limit: int = MESSAGE_LIMIT) -> str:
    r"""Text that can be shown: no lone surrogates, control or direction characters (`\n` becomes a visible `\n`)."""
    valid = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if not valid.isprintable():
        valid = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in valid)
    return valid if len(valid) <= limit else valid[: limit - 1] + "…"


def decode_text(raw: bytes) -> str:
    """A file's content as text: UTF-8, or UTF-16 when it says so by its byte order mark; never fails."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", "replace")
    return raw.decode("utf-8-sig", "replace")


def lines_of(text: str) -> list[str]:
    r"""Lines as editors count them: only `\n` ends one, a `\r` before it is not part of it; cut at `LINE_LIMIT`."""
    return [line[:LINE_LIMIT].removesuffix("\r") for line in text.split("\n")]


def plural(count: int, one: str, many: str = "") -> str:
    """`1 file`, `2 files`, `1,204 files`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def human_bytes(size: int) -> str:
    """`0 B`, `12.3 KiB`, `4.0 MiB`: powers of 1024."""
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            break
        amount /= 1024
    return f"{int(amount)} B" if unit == "B" else f"{amount:,.1f} {unit}"
