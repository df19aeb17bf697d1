"""Files that a script leaves become artifacts by their path; nothing outside its folder ever does."""

import pytest

from somagent.operators.runner.records import Artifact


def artifact(path):
    return {"a": {"type": "artifact", "path": path}}


def test_a_file_is_stored_under_its_own_name(script):
    outputs = script("mkdir -p out; echo hi > out/report.txt", artifact("out/report.txt"))
    assert outputs["a"] | {"artifact": ""} == {"artifact": "", "kind": "file", "name": "report.txt", "size": 3}
    assert script.text(outputs["a"]) == "hi\n"


def test_a_program_stays_one(script):
    outputs = script("printf '#!/bin/sh\\necho ran' > tool; chmod +x tool", artifact("tool"))
    assert outputs["a"]["executable"] is True
    script('"$TOOL"', env={"TOOL": Artifact(**outputs["a"])})
    assert script.log == "ran\n"


def test_a_folder_is_stored_whole(script):
    text = "mkdir -p d/e d/empty; echo 1 > d/f; echo '#!/bin/sh' > d/e/x; chmod +x d/e/x; ln -s ../f d/e/l"
    first = script(text, artifact("d"))["a"]
    assert (first["kind"], first["name"]) == ("folder", "d")
    again = script(f"sleep 0.01; {text}", artifact("d/"))["a"]
    assert again == first
    env = {"D": Artifact(**first)}
    script('cd "$D"; test -x e/x; test ! -x f; test "$(readlink e/l)" = ../f; test -d empty; cat e/l', env=env)
    assert script.log == "1\n"


def test_the_whole_working_folder_is_called_like_its_output(script):
    outputs = script('echo 1 > x; touch ~/unseen "$TMPDIR"/unseen', artifact("."))
    assert outputs["a"]["name"] == "a"
    script('test "$(ls "$D")" = x', env={"D": Artifact(**outputs["a"])})


@pytest.mark.parametrize("path", ["../outside", "/etc/hostname", "a/../../outside", "..", "a\0b"])
def test_a_path_that_leads_out_of_the_folder_is_refused(script, path):
    failure = script.failure("touch ../outside; mkdir -p a", artifact(path))
    assert failure.failure_class == "invalid_output"
    assert failure.message == f"output `a`: `{path}` is not inside the working folder"


def test_a_link_to_a_file_inside_is_that_file(script):
    outputs = script("echo hi > real.txt; ln -s real.txt link", artifact("link"))
    assert (outputs["a"]["name"], script.text(outputs["a"])) == ("real.txt", "hi\n")


@pytest.mark.parametrize(
    ("make", "path", "link"),
    [
        ("ln -s /etc/hostname h", "h", "`h` is a symbolic link to `/etc/hostname`"),
        ("mkdir ../o; touch ../o/inside; ln -s ../o link", "link", "`link` is a symbolic link to `../o`"),
        ("mkdir ../o; touch ../o/inside; ln -s ../o link", "link/inside", "`link` is a symbolic link to `../o`"),
        ("mkdir d; ln -s ../.. d/up", "d/up/secret", "`d/up` is a symbolic link to `../..`"),
    ],
)
def test_a_link_that_leads_out_is_told_as_one(script, make, path, link):
    failure = script.failure(make, artifact(path))
    assert failure.message == f"output `a`: `{path}` leads out of the working folder: {link}"


def test_a_link_to_itself_is_nothing_there(script):
    failure = script.failure("ln -s h h", artifact("h"))
    assert failure.message == "output `a`: there is no `h` in the working folder"


@pytest.mark.parametrize(
    "make",
    [
        "ln -s /etc d/x",
        "ln -s ../../o d/x",
        "ln -s ../d/../../o d/x",
        "mkdir d/s; ln -s s d/t; ln -s t/../../.. d/x",
        "ln -s loop d/loop; ln -s loop/y d/x",
    ],
)
def test_a_folder_with_a_link_that_leads_out_is_refused(script, make):
    failure = script.failure(f"mkdir d; {make}", artifact("d"))
    assert failure.failure_class == "invalid_output"
    assert "leads out of the folder" in failure.message


@pytest.mark.parametrize(
    "make", ["ln -s x d/y", "mkdir d/s; ln -s s/../f d/y", "mkdir d/s; ln -s .. d/s/up; ln -s s/up/f d/y"]
)
def test_links_within_a_folder_are_kept(script, make):
    outputs = script(f"mkdir d; echo 1 > d/f; {make}", artifact("d"))
    script('test -L "$D/y"', env={"D": Artifact(**outputs["a"])})


def test_pipes_and_odd_names_are_refused(script):
    assert "`p` is a pipe" in script.failure("mkdir d; mkfifo d/p", artifact("d")).message
    assert "the name of `\\xff` is not UTF-8" in script.failure("mkdir d; touch d/$'\\xff'", artifact("d")).message


def test_a_declared_artifact_must_be_there(script):
    assert (
        script.failure("true", artifact("report.xml")).message
        == "output `a`: there is no `report.xml` in the working folder"
    )


def test_a_declared_path_is_not_written(script):
    failure = script.failure("echo a=b >> $SOMAGENT_OUTPUT; touch x", artifact("x"))
    assert failure.message == "$SOMAGENT_OUTPUT line 1: output `a` is the artifact at `x`, as declared; do not write it"


def test_a_path_that_is_not_declared_may_be_written(script):
    outputs = script("echo a=made-up >> $SOMAGENT_OUTPUT; echo 1 > made-up", {"a": {"type": "artifact"}})
    assert outputs["a"]["name"] == "made-up"
    assert "declare `path:`" in script.failure("true", {"a": {"type": "artifact"}}).message


def test_every_faulty_output_is_told(script):
    outputs = {"a": {"type": "artifact", "path": "x"}, "b": {"type": "artifact", "path": "y"}, "n": {"type": "integer"}}
    failure = script.failure("echo n=x >> $SOMAGENT_OUTPUT", outputs)
    assert len(failure.message.splitlines()) == 3
