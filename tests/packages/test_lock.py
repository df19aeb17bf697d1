"""`capsule.lock` pins what capsules use; what has drifted from it is found, and said by name."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from package_folder import POLICY, Packages
from somagent_shell import Shell

from somagent.capsule_compiler.packages.content import tree_digest
from somagent.capsule_compiler.packages.lock import CapsuleLock, Lock, PackageLock, read_lock, with_capsule, write_lock
from somagent.governance.documents import MAX_MISTAKES

GATE = "  steps:\n    gate: { policy: { set: release, input: { coverage: 0.9 } } }\n"


def using(somagent: Shell, use: str, name: str = "it") -> str:
    return somagent.capsule(name, f"  uses: {{ policies: {{ release: {use} }} }}\n{GATE}")


def test_locking_pins_versions_and_checking_takes_those(somagent: Shell, packages: Packages) -> None:
    packages.add("acme/release", "1.0.0")
    name = using(somagent, "acme/release@^1")
    locked = somagent("lock")
    assert (locked.code, locked.out) == (0, "wrote capsule.lock (1 package, 0 files)\n  acme/release 1.0.0\n")
    before = somagent("plan", name, "--locked", "--output", "json").json
    packages.add("acme/release", "1.1.0")
    assert somagent("plan", name, "--locked", "--output", "json").json == before
    assert before["packages"]["acme/release"]["version"] == "1.0.0"
    assert somagent("lock").out == "capsule.lock is up to date (1 package, 0 files)\n"
    upgraded = somagent("lock", "--upgrade", "acme/release")
    assert upgraded.out.splitlines()[1] == "  acme/release 1.0.0 -> 1.1.0"
    after = somagent("plan", name, "--output", "json").json
    assert after["packages"]["acme/release"]["version"] == "1.1.0"


def test_without_a_lock_versions_are_chosen_and_that_is_said(somagent: Shell, packages: Packages) -> None:
    packages.add("acme/release", "1.0.0")
    name = using(somagent, "acme/release@^1")
    checked = somagent("check", name)
    assert checked.code == 0
    assert "warning[CAP510]: no `capsule.lock` pins the packages; chosen now: `acme/release 1.0.0`" in checked.out
    refused = somagent("check", name, "--locked")
    assert refused.code == 1
    assert "error[CAP513]: there is no `capsule.lock` beside the capsule" in refused.out
    assert somagent("run", name, "--locked").code == 1
    assert not (somagent.folder / ".somagent").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("use", "it pins `acme/release` for ^1, and the capsule uses ~1.0"),
        ("more", "it does not pin `acme/team`"),
        ("less", "it pins `acme/release`, which is not used any more"),
        ("name", "it does not know this capsule"),
        ("file", "`near.yaml` has changed since"),
        ("new file", "it does not pin `other.yaml`"),
    ],
)
def test_drift_is_said_and_refused_with_locked(change: str, said: str, somagent: Shell, packages: Packages) -> None:
    packages.add("acme/release", "1.0.0")
    packages.add("acme/team", "1.0.0")
    somagent.write("near.yaml", POLICY)
    somagent.write("other.yaml", POLICY)
    policies = {"near": "./near.yaml", "release": "acme/release@^1"}

    def write(name: str) -> str:
        text = ", ".join(f"{alias}: {use}" for alias, use in policies.items())
        return somagent.capsule(name, f"  uses: {{ policies: {{ {text} }} }}\n{GATE}")

    name = write("it")
    assert somagent("lock").code == 0
    assert somagent("check", name, "--locked").code == 0
    if change == "file":
        somagent.write("near.yaml", POLICY + "# later\n")
    policies |= {"use": {"release": "acme/release@~1.0"}, "more": {"team": "acme/team"}}.get(change, {})
    policies |= {"less": {"release": "./near.yaml"}, "new file": {"other": "./other.yaml"}}.get(change, {})
    name = write("renamed" if change == "name" else "it")
    refused = somagent("check", name, "--locked")
    assert refused.code == 1
    assert f"error[CAP513]: `capsule.lock` is out of date: {said}" in refused.out
    free = somagent("check", name)
    assert free.code == 0
    packages_drifted = change in {"use", "more", "name"}  # `less`: none is used any more
    assert ("warning[CAP511]" in free.out) == packages_drifted
    somagent("lock", name)
    assert somagent("check", name, "--locked").out == f"ok: {name} (capsule, 1 step)\n"


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (lambda folder: (folder / "it.yaml").write_text(POLICY + "# x\n"), "`it.yaml` has changed"),
        (lambda folder: (folder / "more.txt").write_text("x"), "`more.txt` is new"),
        (lambda folder: (folder / "data" / "a.txt").unlink(), "`data/a.txt` is missing"),
        (lambda folder: (folder / "data" / "a.txt").chmod(0o755), "`data/a.txt` has changed"),
        (lambda folder: (folder / "it.yaml").rename(folder / "that.yaml"), "`it.yaml` is missing"),
    ],
)
def test_one_changed_file_of_a_package_is_named(tamper: object, said: str, somagent: Shell, packages: Packages) -> None:
    folder = packages.add("acme/release", "1.0.0")
    (folder / "data").mkdir()
    (folder / "data" / "a.txt").write_text("a")
    name = using(somagent, "acme/release@^1")
    assert somagent("lock").code == 0
    tamper(folder)  # type: ignore[operator]
    for command in (["check", name], ["check", name, "--locked"], ["plan", name], ["run", name], ["lock"]):
        done = somagent(*command)
        assert done.code == 1
        expected = f"error[CAP514]: `acme/release 1.0.0` is not what `capsule.lock` pins: {said}"
        assert expected in done.out + done.err
    if (folder / "it.yaml").exists():
        upgraded = somagent("lock", "--upgrade", "acme/release")
        assert upgraded.out.endswith("  acme/release 1.0.0 has another content\n")
        assert somagent("check", name, "--locked").code == 0


def test_what_is_pinned_and_not_there_is_said(somagent: Shell, packages: Packages) -> None:
    folder = packages.add("acme/release", "1.0.0")
    name = using(somagent, "acme/release@^1")
    somagent("lock")
    folder.rename(folder.with_name("2.0.0"))
    checked = somagent("check", name)
    assert checked.code == 1
    assert "`acme/release 1.0.0` cannot be used: there is no such version in" in checked.out


def test_one_lock_serves_all_capsules_of_a_folder(somagent: Shell, packages: Packages) -> None:
    packages.add("acme/release", "1.0.0")
    one = using(somagent, "acme/release@^1", "one")
    assert somagent("lock").code == 0
    packages.add("acme/release", "2.0.0")
    two = using(somagent, "acme/release", "two")
    locked = somagent("lock", two)
    assert locked.out.splitlines()[1:] == ["  acme/release 1.0.0 -> 1.0.0, 2.0.0"]
    assert somagent("check", one, two, "--locked").code == 0
    (somagent.folder / one).unlink()
    assert somagent("lock", "--output", "json").json[0]["packages"].keys() == {"acme/release 2.0.0"}


def test_a_conflict_locks_nothing(somagent: Shell, packages: Packages) -> None:
    packages.add("acme/release", "1.0.0")
    packages.add("acme/release", "2.0.0")
    packages.add("acme/team", "1.0.0", requires={"acme/release": "^1"})
    somagent.capsule("it", f"  uses: {{ policies: {{ release: acme/release@^2, team: acme/team }} }}\n{GATE}")
    locked = somagent("lock")
    assert (locked.code, locked.out) == (1, "")
    assert "error[CAP507]: no version of `acme/release` fits all who require it" in locked.err
    assert "`^1` is required by `acme/team 1.0.0`, which `it.capsule.yaml` requires" in locked.err
    assert not (somagent.folder / "capsule.lock").exists()


def test_a_used_file_that_cannot_be_read_is_said_and_nothing_is_locked(somagent: Shell) -> None:
    somagent.capsule("it", f"  uses: {{ policies: {{ release: ./gone.yaml }} }}\n{GATE}")
    locked = somagent("lock")
    assert (locked.code, locked.out) == (1, "")
    assert "error[CAP502]: cannot read `gone.yaml`: no such file or directory\n --> it.capsule.yaml:5:" in locked.err
    (somagent.folder / "gone.yaml").mkdir()
    assert "cannot read `gone.yaml`: is a directory" in somagent("lock").err
    somagent.capsule("it", f"  uses: {{ capsules: {{ inner: ./inner.capsule.yaml }} }}\n{GATE}")
    somagent.capsule("inner", f"  uses: {{ policies: {{ release: ./lost.yaml }} }}\n{GATE}")
    assert "cannot read `lost.yaml`" in somagent("lock", "it.capsule.yaml").err
    assert not (somagent.folder / "capsule.lock").exists()


def test_mistakes_elsewhere_in_the_capsule_keep_nobody_from_locking(somagent: Shell, packages: Packages) -> None:
    packages.add("acme/release", "1.0.0")
    somagent.capsule("it", f"  uses: {{ policies: {{ release: acme/release }} }}\n{GATE}    b: {{ scrpt: 1 }}\n")
    assert somagent("lock").code == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"kind: CapsuleLock\n",
        b"a: &b 1\n",
        b"[]\n",
        b"apiVersion: somagent.io/v1alpha1\nkind: CapsuleLock\nx: 1\n",
    ],
)
def test_a_broken_lock_is_shown_with_its_place(content: bytes, somagent: Shell, packages: Packages) -> None:
    packages.add("acme/release", "1.0.0")
    name = using(somagent, "acme/release@^1")
    (somagent.folder / "capsule.lock").write_bytes(content)
    checked = somagent("check", name)
    assert checked.code == 1
    assert re.search(r"error\[CAP512\]: capsule.lock:[13]:[14]: \S", checked.out)
    locked = somagent("lock")
    assert locked.code == 2
    assert "take it from version control, or remove it and lock again" in locked.err


def test_many_processes_lock_at_once_and_none_loses_what_another_wrote(somagent: Shell, packages: Packages) -> None:
    packages.add("acme/release", "1.0.0")
    names = [using(somagent, "acme/release@^1", f"it{number}") for number in range(4)]
    started = [somagent.start("lock", name) for name in names]
    for process in started:
        process.communicate(timeout=60)
    assert [process.returncode for process in started] == [0] * len(names)
    assert somagent("check", *names, "--locked").code == 0
    left = {path.name for path in somagent.folder.iterdir()}
    assert left == {*names, "capsule.lock", ".local"}


def test_a_lock_that_cannot_be_written_is_said(somagent: Shell, packages: Packages) -> None:
    packages.add("acme/release", "1.0.0")
    using(somagent, "acme/release@^1")
    (somagent.folder / "capsule.lock").mkdir()
    locked = somagent("lock")
    assert locked.code == 2
    assert locked.err == "error: cannot read `capsule.lock`: is a directory\n"


def test_a_hundred_packages_are_chosen_locked_and_opened(somagent: Shell, packages: Packages) -> None:
    for number in range(100):
        requires = {f"acme/p{number + 1}": "^1"} if number < 99 else {}
        for version in ("1.0.0", "1.1.0", "2.0.0"):
            packages.add(f"acme/p{number}", version, requires=requires)
    name = using(somagent, "acme/p0@^1")
    assert somagent("lock").out.startswith("wrote capsule.lock (100 packages, 0 files)\n")
    assert somagent("check", name, "--locked").code == 0


NAMES = st.from_regex(r"[a-z0-9-]{1,5}/[a-z0-9-]{1,5}", fullmatch=True)
VERSIONS = st.from_regex(r"(0|[1-9][0-9]?)\.(0|[1-9])\.(0|[1-9])(-rc\.1)?", fullmatch=True)
DIGESTS = st.integers(0, 2**64).map(lambda number: f"sha256:{number:064x}")
PATHS = st.text("ab/.#:' \"é\\\U0001f600-", min_size=1, max_size=12)
FILES = st.dictionaries(PATHS, DIGESTS, max_size=3)


@st.composite
def locks(draw: st.DrawFn) -> Lock:
    lock = Lock()
    for file in draw(st.lists(PATHS, max_size=3, unique=True)):
        packages = draw(st.dictionaries(NAMES, VERSIONS, max_size=3))
        files = {f"{name} {version}": draw(FILES) for name, version in packages.items()}
        contents = {
            key: PackageLock(source="folder", digest=tree_digest(found), files=found) for key, found in files.items()
        }
        section = CapsuleLock(requires={name: ["^1", ">=2"] for name in packages}, packages=packages, files=draw(FILES))
        lock = with_capsule(lock, file, section, contents)
    return lock


@given(locks())
def test_a_lock_is_read_as_it_was_written_and_written_one_way(lock: Lock) -> None:
    content = write_lock(lock)
    source, again, found = read_lock("capsule.lock", content)
    assert (again, found) == (lock, []), source.text
    assert write_lock(Lock(capsules=dict(reversed(lock.capsules.items())), packages=lock.packages)) == content


def test_any_yaml_reader_reads_the_lock(somagent: Shell, packages: Packages) -> None:
    """It holds texts in quotes, and nothing else."""
    import yaml

    packages.add("acme/release", "1.0.0")
    using(somagent, "acme/release@>=1")
    somagent("lock")
    read = yaml.safe_load((somagent.folder / "capsule.lock").read_text())
    assert read["capsules"]["it.capsule.yaml"]["requires"] == {"acme/release": [">=1"]}
    assert (somagent.folder / "capsule.lock").read_text().startswith("# Written by `somagent lock`")


def test_of_a_lock_with_hundreds_of_mistakes_the_first_are_shown():
    digest = "sha256:" + "0" * 64
    packages = {f"acme/p{at} 1.0.0": PackageLock(source="folder", digest=digest, files={}) for at in range(600)}
    found = read_lock("capsule.lock", write_lock(Lock(capsules={}, packages=packages)))[2]
    assert len(found) == MAX_MISTAKES
    assert found[-1].name == "too-many-mistakes"
