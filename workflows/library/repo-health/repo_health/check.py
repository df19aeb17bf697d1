"""Step 3, once for each check: judges one aspect of the copy and answers with typed findings."""

from __future__ import annotations

from pathlib import Path

from . import contract
from .checks import REGISTRY
from .checks.form import Outcome, nothing, result
from .context import Context
from .contract import Refusal
from .facts import Facts
from .findings import ALLOW_FILE, parse_allowed
from .git import Git
from .snapshot import FOLDER, Snapshot


def open_context(snapshot_folder: Path, facts_folder: Path, history_limit: int, home: Path) -> Context:
    """The context that the first two steps left behind."""
    git = Git.at(snapshot_folder / FOLDER, home)
    return Context(git, Snapshot.load(snapshot_folder), Facts.load(facts_folder), history_limit)


def judge(context: Context, check_id: str) -> dict[str, object]:
    """Runs one check. Raises Refusal on an unknown id."""
    check = REGISTRY.get(check_id)
    if check is None:
        raise Refusal(f"there is no check {check_id!r}; there are {', '.join(REGISTRY)}")
    outcome: Outcome = check.run(context) if context.snapshot.head else nothing("HEAD has no commit")
    return result(check, outcome, parse_allowed(context.text(ALLOW_FILE) or ""))


def main() -> None:
    """CHECK (id), SNAPSHOT, FACTS (folders), HISTORY_LIMIT (commits) -> the fields of `CheckResult`."""

    def program(home: Path) -> None:
        context = open_context(
            Path(contract.value("SNAPSHOT")),
            Path(contract.value("FACTS")),
            int(contract.value("HISTORY_LIMIT")),
            home,
        )
        contract.answer(**judge(context, contract.value("CHECK")))

    contract.step(program)


if __name__ == "__main__":
    main()
