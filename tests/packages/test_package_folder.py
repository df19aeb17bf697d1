"""A folder of packages may hold anything; what is no package is refused by name, and nothing outside is read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from package_folder import Packages
from somagent_shell import Shell

from somagent.workflows.packages import MAX_BYTES, MAX_FILES, PackageFolder, package_folder

GATE = "  uses: { policies: { release: acme/release } }\n  steps:\n    gate: { policy: { set: release, input: { coverage: 1.0 } } }\n"  # noqa: E501


def linked(folder: Path) -> None:
    (folder / "data.txt").symlink_to("/etc/passwd")


def linked_inside(folder: Path) -> None:
    (folder / "data.yaml").symlink_to("it.yaml")


def linked_folder(folder: Path) -> None:
    (folder / "data").symlink_to(folder.parent)


def linked_manifest(folder: Path) -> None:
    (folder / "package.yaml").rename(folder / "that.yaml")
    (folder / "package.yaml").symlink_to("that.yaml")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "data")


def too_many(folder: Path) -> None:
    for number in range(MAX_FILES):
        (folder / f"{number}.txt").touch()


def too_large(folder: Path) -> None:
    with (folder / "data").open("wb") as file:
        file.truncate(MAX_BYTES + 1)


def no_manifest(folder: Path) -> None:
    (folder / "package.yaml").unlink()


def manifest_is_a_folder(folder: Path) -> None:
    (folder / "package.yaml").unlink()
    (folder / "package.yaml").mkdir()


def hidden_name(folder: Path) -> None:
    (folder / "da\u202eta.txt").touch()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (linked, "`data.txt` is a link, and a package holds files only"),
        (linked_inside, "`data.yaml` is a link, and a package holds files only"),
        (linked_folder, "`data` is a link, and a package holds files only"),
        (linked_manifest, "`package.yaml` is a link, and a package holds files only"),
        (pipe, "`data` is neither a file nor a folder"),
        (too_many, "it has more than 1,000 files or 16,777,216 bytes"),
        (too_large, "`data` has more than 16,777,216 bytes"),
        (no_manifest, "it has no `package.yaml`"),
        (manifest_is_a_folder, "`package.yaml` is neither a file nor a folder"),
        (hidden_name, r"`'da\u202eta.txt'` is not a name that can be shown"),
    ],
)
def test_what_is_no_package_is_refused_by_name(
    spoil: Callable[[Path], None], said: str, somagent: Shell, packages: Packages
) -> None:
    spoil(packages.add("acme/release", "1.0.0"))
    checked = somagent("check", somagent.capsule("it", GATE))
    assert checked.code == 1
    assert f"error[CAP508]: `acme/release 1.0.0` cannot be used: {said}" in checked.out


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"package": "acme/other"}, "it calls itself `acme/other` 1.0.0"),
        ({"version": "1.0.1"}, "it calls itself `acme/release` 1.0.1"),
        ({"version": "one"}, "`one` is not a version like `1.3.0`"),
        ({"provides": "poem"}, "`poem` is not a value of `provides`"),
        ({"file": "../it.yaml"}, "`../it.yaml` is not the path of a YAML file inside the package"),
        ({"file": "/etc/passwd.yaml"}, "`/etc/passwd.yaml` is not the path of a YAML file inside the package"),
        ({"file": "a/../../it.yaml"}, "`a/../../it.yaml` is not the path of a YAML file inside the package"),
        ({"file": "gone.yaml"}, "says `file: gone.yaml`, which is not in the package"),
        ({"file": ""}, "the document has no `file`"),
        ({"more": "x"}, "`more` is not a field of the document"),
    ],
)
def test_a_wrong_manifest_is_shown_with_its_place(
    fields: dict[str, str], said: str, somagent: Shell, packages: Packages
) -> None:
    packages.add("acme/release", "1.0.0", **fields)
    checked = somagent("check", somagent.capsule("it", GATE))
    assert checked.code == 1
    assert "error[CAP508]" in checked.out
    assert said in checked.out


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"a: [", b"- 1\n", b"x" * 1_100_000, b"a: &b 1\nc: *b\n"])
def test_a_manifest_that_is_no_document_is_a_diagnostic(content: bytes, somagent: Shell, packages: Packages) -> None:
    folder = packages.add("acme/release", "1.0.0")
    (folder / "package.yaml").write_bytes(content)
    checked = somagent("check", somagent.capsule("it", GATE))
    assert checked.code == 1
    assert "error[CAP508]: `acme/release 1.0.0` cannot be used: acme/release/1.0.0/package.yaml:" in checked.out


def test_a_broken_newer_version_is_not_passed_over_in_silence(somagent: Shell, packages: Packages) -> None:
    packages.add("acme/release", "1.0.0")
    (packages.add("acme/release", "1.1.0") / "package.yaml").write_text("[]")
    checked = somagent("check", somagent.capsule("it", GATE))
    assert "`acme/release 1.1.0` cannot be used" in checked.out
    assert "`=` before another version leaves this one out" in checked.out


@pytest.mark.parametrize("kind", ["absent", "file", "loop"])
def test_a_folder_that_is_not_there_has_no_packages(kind: str, somagent: Shell, packages: Packages) -> None:
    packages.root.parent.mkdir(parents=True)
    if kind == "file":
        packages.root.write_text("x")
    elif kind == "loop":
        packages.root.symlink_to(packages.root)
    checked = somagent("check", somagent.capsule("it", GATE))
    assert checked.code == 1
    assert "error[CAP505]: there is no package `acme/release`" in checked.out or "error[CAP508]" in checked.out


def test_folders_that_are_no_versions_are_no_versions(somagent: Shell, packages: Packages) -> None:
    packages.add("acme/release", "1.0.0")
    for name in ("latest", ".tmp-1", "1.0", "2.0.0+build", "v3.0.0"):
        (packages.root / "acme" / "release" / name).mkdir()
    (packages.root / "acme" / "release" / "9.0.0").write_text("a file")
    assert "chosen now: `acme/release 1.0.0`" in somagent("check", somagent.capsule("it", GATE)).out


def test_a_version_may_be_a_link_to_a_checkout(somagent: Shell, packages: Packages) -> None:
    folder = packages.add("acme/release", "1.0.0")
    folder.rename(somagent.folder / "checkout")
    folder.symlink_to(somagent.folder / "checkout")
    assert somagent("check", somagent.capsule("it", GATE)).code == 0


def test_rubbish_beside_the_files_is_no_part_of_a_package(packages: Packages) -> None:
    folder = packages.add("acme/release", "1.0.0")
    for name in (".git", "__pycache__", "node_modules"):
        (folder / name).mkdir()
        (folder / name / "x").write_text("x")
    files = PackageFolder(packages.root).open("acme/release", "1.0.0")
    assert [file.path for file in files] == ["it.yaml", "package.yaml"]


def test_no_name_leads_out_of_the_folder(packages: Packages) -> None:
    packages.add("acme/release", "1.0.0")
    source = PackageFolder(packages.root / "acme")
    for name in ("../acme", "acme/../..", "..", "/etc", "a/b/c", "a/.."):
        with pytest.raises(OSError, match="is not the name of a package"):
            source.versions(name)


def test_the_folder_is_where_the_environment_says() -> None:
    assert package_folder({"SOMAGENT_PACKAGES": "/a", "XDG_DATA_HOME": "/b"}) == Path("/a")
    assert package_folder({"XDG_DATA_HOME": "/b"}) == Path("/b/somagent/packages")
    assert package_folder({}) == Path.home() / ".local" / "share" / "somagent" / "packages"


def test_the_variable_names_the_folder(somagent: Shell, tmp_path: Path) -> None:
    Packages(tmp_path / "elsewhere").add("acme/release", "1.0.0")
    name = somagent.capsule("it", GATE)
    assert somagent("check", name, SOMAGENT_PACKAGES=str(tmp_path / "elsewhere")).code == 0
    assert somagent("check", name).code == 1


def test_a_folder_that_is_no_version_is_named(somagent: Shell, packages: Packages) -> None:
    folder = packages.root / "acme" / "bad" / "v1"
    folder.mkdir(parents=True)
    name = somagent.capsule("it", "  uses: { tools: { bad: acme/bad } }\n  steps: { a: { script: { run: 'true' } } }\n")
    checked = somagent("check", name)
    assert "there is no version of `acme/bad`: `acme/bad/v1` is not one" in checked.out
    assert "call the folder by a whole version: `1.0.0`" in checked.out
    assert "there is no version of `acme/bad`" in somagent("add", "acme/bad").err
