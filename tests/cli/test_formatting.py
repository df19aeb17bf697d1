"""`somagent fmt` writes what it must and nothing else."""

from __future__ import annotations

import stat

from somagent_shell import HEAD, Shell

UGLY = HEAD.replace("NAME", "a") + "  steps:\n    b:    # why\n        script: {run:   echo}\n"
GOOD = HEAD.replace("NAME", "a") + "  steps:\n    b: # why\n      script: { run: echo }\n"


def test_a_file_is_written_in_its_layout_and_keeps_its_rights(somagent: Shell) -> None:
    path = somagent.write("a.capsule.yaml", UGLY)
    path.chmod(0o640)
    link = somagent.folder / "link.capsule.yaml"
    link.symlink_to(path.name)
    done = somagent("fmt", "link.capsule.yaml")
    assert (done.code, done.out, done.err) == (0, "formatted link.capsule.yaml\n", "")
    assert link.is_symlink()
    assert path.read_text() == GOOD
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(path.name for path in somagent.folder.iterdir()) == ["a.capsule.yaml", "link.capsule.yaml"]
    again = somagent("fmt", "a.capsule.yaml")
    assert (again.code, again.out) == (0, "")


def test_check_and_diff_write_nothing_and_say_what_would_change(somagent: Shell) -> None:
    path = somagent.write("a.capsule.yaml", UGLY)
    somagent.write("good.capsule.yaml", GOOD)
    check = somagent("fmt", "--check")
    assert (check.code, check.out) == (1, "would format a.capsule.yaml\n")
    assert check.err == "1 file would be formatted, 1 file in order\n"
    diff = somagent("fmt", "--diff", "a.capsule.yaml")
    assert diff.code == 1
    assert "-    b:    # why\n-        script: {run:   echo}\n+    b: # why\n+      script: { run: echo }\n" in diff.out
    assert path.read_text() == UGLY
    assert somagent("fmt", "--check", "good.capsule.yaml").code == 0


def test_a_folder_stands_for_the_capsules_and_constitutions_below_it(somagent: Shell) -> None:
    for name in ("x/a.capsule.yaml", "x/y/constitution.yaml", "x/strict.constitution.yaml"):
        somagent.write(name, "a:   1\n")
    for name in ("x/other.yaml", "x/.hidden/a.capsule.yaml", "x/node_modules/a.capsule.yaml"):
        somagent.write(name, "a:   1\n")
    done = somagent("fmt", "x", "x/a.capsule.yaml")
    assert (
        done.out
        == "formatted x/a.capsule.yaml\nformatted x/strict.constitution.yaml\nformatted x/y/constitution.yaml\n"
    )
    assert done.err == "3 files formatted\n"
    assert somagent("fmt").err == "3 files in order\n"


def test_standard_input_goes_to_standard_output(somagent: Shell) -> None:
    done = somagent("fmt", "-", stdin=UGLY)
    assert (done.code, done.out, done.err) == (0, GOOD, "")
    assert somagent("fmt", "-", "--check", stdin=UGLY).code == 1


def test_what_is_no_yaml_is_shown_and_left_alone_and_the_rest_is_formatted(somagent: Shell) -> None:
    broken = somagent.write("a.capsule.yaml", "a: [1\n")
    other = somagent.write("b.capsule.yaml", "a:   1\n")
    done = somagent("fmt")
    assert done.code == 1
    assert "error[CAP004]" in done.err
    assert broken.read_text() == "a: [1\n"
    assert other.read_text() == "a: 1\n"


def test_marks_of_windows_go(somagent: Shell) -> None:
    path = somagent.folder / "a.capsule.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + UGLY.replace("\n", "\r\n").encode())
    assert somagent("fmt", "--check", path.name).code == 1
    assert somagent("fmt", path.name).code == 0
    assert path.read_bytes() == GOOD.encode()


def test_a_file_that_is_not_there_is_said(somagent: Shell) -> None:
    done = somagent("fmt", "nothing.capsule.yaml")
    assert (done.code, done.err) == (2, "error: cannot read `nothing.capsule.yaml`: no such file or directory\n")
