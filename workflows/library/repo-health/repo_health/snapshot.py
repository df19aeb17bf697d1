"""Step 1: copies what a repository has committed into a bare repository of our own, and never touches the original.

The user's repository is asked only for names: its git folder, HEAD and refs. Objects are read beside its
configuration, through git's alternates, so no setting of it can run a program, and nothing is written into it. What is
not committed (work tree, index, stash, reflogs) is not seen. Later steps read the copy only, so all of them judge the
same commit at the same instant (`as_of`).
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from . import contract
from .contract import Refusal
from .git import Git, GitError
from .text import show

FOLDER = "repository.git"
RECORD = "snapshot.json"
EARLIEST, LATEST = -62_135_596_800, 253_402_300_799  # seconds since 1970: the years 1 to 9999
HISTORY = ("refs/heads", "refs/remotes", "refs/tags")  # a stash was never shared


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was copied. `head` is None when HEAD has no commit; `branch` is None when HEAD is detached."""

    name: str
    origin: str  # the remote `origin` without credentials, or ""
    head: str | None
    branch: str | None
    as_of: int  # seconds since 1970, UTC: "now" for every age
    shallow: bool
    refs: int  # branches, remote branches and tags copied
    broken_refs: list[str]  # refs whose object is missing
    object_format: str  # sha1 | sha256

    def save(self, folder: Path) -> None:
        """Writes `snapshot.json` beside the copy."""
        contract.write_json(folder / RECORD, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Snapshot:
        """Reads what `save` wrote."""
        return cls(**contract.read_json(folder / RECORD))

    def shown(self) -> dict[str, Any]:
        """The typed output `source` of the step."""
        return {
            "name": self.name,
            "origin": self.origin,
            "head": self.head or "",
            "branch": self.branch or "",
            "as_of": instant(self.as_of),
            "shallow": self.shallow,
            "refs": self.refs,
        }


def take(repository: Path, folder: Path, home: Path, as_of: int) -> Snapshot:
    """Copies `repository` into `folder`. Raises Refusal when it is no repository whose whole content is at hand."""
    source, git_dir, objects, is_shallow, object_format = locate(repository, home)
    head_ref, head = read_head(source)
    wanted = read_refs(source)

    copy = folder / FOLDER
    create(copy, home, object_format)
    if is_shallow:
        shallow = Path(source.text("rev-parse", "--git-path", "shallow"))
        (copy / "shallow").write_bytes((repository / shallow).read_bytes())
    lender = Git.at(copy, home, GIT_ALTERNATE_OBJECT_DIRECTORIES=quoted(objects))
    present = existing(lender, {*wanted.values(), *([head] if head else [])})
    if head and head not in present:
        raise Refusal(f"HEAD of {repository} is commit {head}, which is not in the repository; run `git fsck` there")
    refs = {ref: oid for ref, oid in wanted.items() if oid in present}
    copy_objects(lender, copy, {*refs.values(), *([head] if head else [])}, objects)
    write_refs(Git.at(copy, home), copy, refs, head)

    origin = source.run("config", "--get", "remote.origin.url", accept=(0, 1)).decode("utf-8", "replace")
    snapshot = Snapshot(
        name=show(name_of(repository, git_dir), 100),
        origin=show(public_url(origin), 300),
        head=head,
        branch=show(head_ref.removeprefix("refs/heads/"), 200) if head_ref else None,
        as_of=as_of,
        shallow=is_shallow,
        refs=len(refs),
        broken_refs=sorted(show(ref) for ref in wanted.keys() - refs.keys())[:20],
        object_format=object_format,
    )
    snapshot.save(folder)
    return snapshot


def locate(repository: Path, home: Path) -> tuple[Git, Path, Path, bool, str]:
    """Git on the user's repository, its git folder, its object folder, whether it is shallow, its hash."""
    if not repository.is_absolute():
        raise Refusal(f"`repo` must be an absolute path, since steps run in folders of their own; got {repository}")
    try:
        if not repository.is_dir():
            raise Refusal(f"{repository} is {'not a folder' if repository.exists() else 'not there'}")
        next(repository.iterdir(), None)
    except PermissionError as fault:
        raise Refusal(f"{repository} cannot be read: {fault.strerror}; run as a user who may read it") from None
    git = Git(repository, home)
    try:
        git_dir = Path(git.text("rev-parse", "--absolute-git-dir"))
        facts = git.text("rev-parse", "--is-bare-repository", "--is-shallow-repository", "--show-object-format").split()
        above = git.text("rev-parse", "--show-cdup") if git_dir != repository.resolve() else ""
        objects = (repository / git.text("rev-parse", "--git-path", "objects")).resolve()
    except GitError as fault:
        raise Refusal(f"{repository} is not a git repository ({fault})") from None
    if above:
        top = (repository / above).resolve()
        raise Refusal(f"{repository} is a folder inside the repository {top}; pass that as `repo`")
    if git_dir not in (repository.resolve(), (repository / ".git").resolve()) and facts[0] == "true":
        raise Refusal(f"{repository} is a folder inside the repository {git_dir}; pass that as `repo`")
    return git, git_dir, objects, facts[1] == "true", facts[2]


def read_head(source: Git) -> tuple[str | None, str | None]:
    """The ref that HEAD names, if any, and the commit it leads to, if any."""
    ref = source.run("symbolic-ref", "-q", "HEAD", accept=(0, 1)).decode("utf-8", "surrogateescape").strip()
    oid = source.run("rev-parse", "--verify", "-q", "HEAD", accept=(0, 1)).decode("ascii").strip()
    return ref or None, oid or None


def read_refs(source: Git) -> dict[str, str]:
    """Branches, remote branches and tags by full name, without asking for any object."""
    listed = source.text("for-each-ref", "--format=%(objectname) %(refname)", *HISTORY)
    pairs = (line.split(" ", 1) for line in listed.splitlines())
    return {ref: oid for oid, ref in pairs}


def create(copy: Path, home: Path, object_format: str) -> None:
    """An empty bare repository without templates, so without hooks."""
    copy.mkdir(parents=True)
    Git(copy, home).run("init", "-q", "--bare", "--template=", f"--object-format={object_format}", ".")
    for folder in ("objects", "refs"):  # git needs both folders; a store may drop empty ones
        (copy / folder / ".keep").touch()


def existing(lender: Git, oids: set[str]) -> set[str]:
    """Those of the ids whose object is there."""
    if not oids:
        return set()
    asked = "".join(f"{oid}\n" for oid in sorted(oids)).encode("ascii")
    answers = lender.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=asked).decode("ascii")
    return {line.split(" ")[0] for line in answers.splitlines() if not line.endswith(" missing")}


def copy_objects(lender: Git, copy: Path, tips: set[str], objects: Path) -> None:
    """Packs everything reachable from `tips`; stored deltas are reused and no new ones are sought, which is fast."""
    if not tips:
        return
    asked = "".join(f"{oid}\n" for oid in sorted(tips)).encode("ascii")
    try:
        lender.run(
            "-c",
            "pack.compression=1",
            "pack-objects",
            "-q",
            "--revs",
            "--window=0",
            "--threads=1",
            str(copy / "objects/pack/pack"),
            stdin=asked,
        )
    except GitError as fault:
        if any((objects / "pack").glob("*.promisor")):
            raise Refusal(
                "the repository is a partial clone and objects of its history are missing here; "
                "fetch them with `git fetch --refetch --no-filter origin` (git 2.36 or newer) or clone it again in full"
            ) from None
        raise Refusal(f"the repository is damaged: {fault}; run `git fsck` in it") from None


def write_refs(git: Git, copy: Path, refs: dict[str, str], head: str | None) -> None:
    """Names what was copied; HEAD is the commit itself, whatever branch it was on."""
    commands = [f"create {ref}\0{oid}\0" for ref, oid in sorted(refs.items())]
    git.run("update-ref", "-z", "--stdin", stdin="".join(commands).encode("utf-8", "surrogateescape"))
    git.run("pack-refs", "--all")
    if head:
        (copy / "HEAD").write_text(f"{head}\n", encoding="ascii")


def quoted(path: Path) -> str:
    """One entry of GIT_ALTERNATE_OBJECT_DIRECTORIES, where a colon separates and double quotes protect."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def name_of(repository: Path, git_dir: Path) -> str:
    """The repository's name as people say it: the folder's, without `.git`."""
    folder = git_dir.parent if git_dir.name == ".git" else repository.resolve()
    return folder.name.removesuffix(".git") or "repository"


def public_url(url: str) -> str:
    """A remote's address without user, password, query and line end; a local path becomes empty."""
    url = url.strip()
    if match := re.fullmatch(r"(?:[^@/\s]+@)?([\w.-]+):(?!//)(?!\d+/)(\S+)", url):
        return f"{match[1]}:{match[2]}"
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    if parts.scheme not in ("https", "http", "ssh", "git") or not parts.hostname:
        return ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def instant(seconds: int) -> str:
    """An instant as text: `2026-01-31T12:00:00Z`; what lies outside the calendar is cut to its ends."""
    return datetime.fromtimestamp(min(max(seconds, EARLIEST), LATEST), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_instant(text: str) -> int:
    """The instant that input `as_of` names, or now when it is empty. Raises Refusal on anything else."""
    if not text:
        return int(datetime.now(UTC).timestamp())
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(f"`as_of` is no instant: {text!r}; write it like 2026-01-31T12:00:00Z or 2026-01-31") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def main() -> None:
    """REPO (path), AS_OF (instant or empty) -> `source`, artifact `snapshot/`."""

    def program(home: Path) -> None:
        folder = Path.cwd() / "snapshot"
        folder.mkdir()
        taken = take(Path(contract.value("REPO")), folder, home, parse_instant(contract.value("AS_OF")))
        contract.answer(source=taken.shown())

    contract.step(program)


if __name__ == "__main__":
    main()
