"""Container images and scripts fetched from the network while building."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..ci_files import action_files, ci_files, script_lines
from ..context import Context
from ..facts import FileFact
from ..findings import Finding
from ..languages import DOCS, TEST, VENDORED, is_example
from ..text import lines_of, show

FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(?P<image>\S+)(?:\s+AS\s+(?P<stage>\S+))?", re.IGNORECASE)
COMPOSE = re.compile(r"(?:^|/)(?:docker-)?compose(?:[._-][\w.-]+)?\.ya?ml$")
IMAGE = re.compile(r"^\s*image:\s*[\"']?(?P<image>[^\s\"'#]+)")
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
PIPED = re.compile(
    r"\b(?:curl|wget)\b[^|;#]{0,300}\|\s*(?:sudo\s+(?:-\S+\s+)*)?(?:env\s+\S+\s+)?(?:/bin/)?(?:ba|z|da|k)?sh\b"
    r"|\b(?:ba|z)?sh\s+(?:-c\s+)?[\"']?(?:<\(|\$\()\s*(?:curl|wget)\b|\b(?:curl"
    r"|wget)\b[^|;#]{0,300}\|\s*(?:sudo\s+)?python3?\b"
)
UNPINNED_ACTION = re.compile(r"^\s*(?:-\s+)?uses:\s*[\"']?(?P<action>[\w.-]+/[\w./-]+)@(?P<ref>[^\s\"'#]+)")
TRUSTED_OWNERS = ("actions", "github")  # the host's own actions: a moved tag there is the host's doing
SHA = re.compile(r"^[0-9a-f]{40}$")


def find(context: Context) -> Iterator[Finding]:
    """Images by tag, actions by tag, downloads piped into a shell."""
    yield from images(context)
    yield from actions(context)
    yield from piped(context)


def images(context: Context) -> Iterator[Finding]:
    """`FROM` lines of Dockerfiles and `image:` lines of compose files."""
    wanted = [
        f for f in context.facts.files if (f.language == "Dockerfile" or COMPOSE.search(f.path)) and f.role != VENDORED
    ]
    for file, text in context.texts(wanted):
        stages: set[str] = set()
        for number, line in enumerate(lines_of(text), 1):
            match = (FROM if file.language == "Dockerfile" else IMAGE).match(line)
            if not match:
                continue
            image = match["image"]
            if (
                image.lower() not in stages
                and image.lower() != "scratch"
                and "$" not in image
                and not DIGEST.search(image)
            ):
                yield loose_image(file, number, image)
            if file.language == "Dockerfile" and match["stage"]:
                stages.add(match["stage"].lower())


def loose_image(file: FileFact, number: int, image: str) -> Finding:
    """No tag or `latest` is worse than a tag, which at least says what was meant."""
    tag = image.rpartition("/")[2].partition(":")[2]
    moving = tag in ("", "latest")
    mild = file.role == TEST or is_example(file.path)
    return Finding(
        "dependencies",
        "image-without-tag" if moving else "image-by-tag",
        "medium" if moving and not mild else "low",
        f"The image {show(image, 100)} "
        + ("is whatever is newest" if moving else "is fixed by a tag, which can be moved"),
        "Write the digest behind the tag: `name:tag@sha256:…` (docker buildx imagetools inspect shows it).",
        file.path,
        number,
        key=f"{file.path}\0{image}",
    )


def actions(context: Context) -> Iterator[Finding]:
    """Actions and reusable workflows named by a tag or branch instead of a commit; one finding for each action."""
    told: set[str] = set()
    for file, text in context.texts(action_files(context)):
        for number, line in enumerate(lines_of(text), 1):
            match = UNPINNED_ACTION.match(line)
            if not match or SHA.match(match["ref"]) or (used := f"{match['action']}@{match['ref']}") in told:
                continue
            told.add(used)
            own = match["action"].partition("/")[0] in TRUSTED_OWNERS
            yield Finding(
                "dependencies",
                "action-by-tag",
                "low" if own else "medium",
                f"The action {show(used, 100)} runs with the workflow's rights, and its tag can be moved",
                "Name the whole commit id and the version in a comment: `uses: owner/name@<40 hex> # v1.2.3`.",
                file.path,
                number,
                key=used,
            )


def piped(context: Context) -> Iterator[Finding]:
    """Downloads that a shell runs unseen, in build files, CI files and scripts."""
    ci = {file.path for files in ci_files(context).values() for file in files}
    wanted = [
        file
        for file in context.facts.files
        if (file.path in ci or file.language in ("Dockerfile", "Shell", "Makefile"))
        and file.role not in (VENDORED, DOCS)
    ]
    action_paths = {file.path for file in action_files(context)}
    for file, text in context.texts(wanted):
        lines = lines_of(text)
        numbered = script_lines(lines) if file.path in action_paths else enumerate(lines, 1)
        for number, line in numbered:
            if (
                not line.lstrip().startswith("#")
                and PIPED.search(line)
                and not re.search(r"\b(?:echo|printf)\b.*curl", line)
            ):
                yield Finding(
                    "dependencies",
                    "piped-download",
                    "low" if file.role == TEST or is_example(file.path) else "medium",
                    "A download is run by a shell unseen: what the server sends today is what runs",
                    "Download it, compare its sha256 with a committed one, then run it.",
                    file.path,
                    number,
                    key=f"{file.path}\0{line.strip()}",
                )
