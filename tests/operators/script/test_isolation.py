"""Where scripts run is asked of the machine's settings, and what cannot be had is refused."""

import os
from pathlib import Path

import pytest

from somagent.operators.script.container import opening
from somagent.operators.script.isolation import IsolationRefused, isolation
from somagent.operators.script.limits import Limits


def program(folder: Path, name: str) -> Path:
    path = folder / name
    path.touch(mode=0o755)
    return path


def test_without_a_word_scripts_run_on_this_machine():
    assert isolation({}) is None
    assert isolation({"SOMAGENT_ISOLATION": "none"}) is None


def test_podman_is_taken_before_docker_and_each_by_its_name(tmp_path):
    docker, podman = program(tmp_path, "docker"), program(tmp_path, "podman")
    for asked, engine in (("container", podman), ("podman", podman), ("docker", docker)):
        found = isolation({"SOMAGENT_ISOLATION": asked, "PATH": str(tmp_path)})
        assert found is not None
        assert (found.engine, found.network) == (str(engine), "none")
    podman.unlink()
    found = isolation(
        {"SOMAGENT_ISOLATION": "container", "PATH": str(tmp_path), "SOMAGENT_CONTAINER_NETWORK": "bridge"}
    )
    assert found is not None
    assert (found.engine, found.network) == (str(docker), "bridge")


@pytest.mark.parametrize(
    ("asked", "reason"), [("contaner", "may be none, container, podman or docker"), ("podman", "no podman on PATH")]
)
def test_what_cannot_be_had_is_refused_and_never_ignored(tmp_path, asked, reason):
    with pytest.raises(IsolationRefused, match=reason):
        isolation({"SOMAGENT_ISOLATION": asked, "PATH": str(tmp_path)})


def test_a_script_without_an_image_is_refused_before_there_is_a_run(somagent):
    program(somagent.folder, "podman")
    capsule = somagent.capsule("bare", "  steps:\n    look: { script: { run: echo hi } }\n")
    ran = somagent(
        "run", capsule, SOMAGENT_ISOLATION="podman", PATH=f"{somagent.folder}{os.pathsep}{os.environ['PATH']}"
    )
    assert ran.code == 2
    assert "step `look` of `bare`: SOMAGENT_ISOLATION asks for a container, and the script names no `image`" in ran.err
    assert not (somagent.folder / ".somagent").exists()


def test_variables_reach_the_containers_shell_as_they_are_and_path_does_not():
    told = opening({"A": "it's\n$HOME `x`", "PATH": "/opt"}, Limits(file_size=1024))
    assert told == b"export A='it'\"'\"'s\n$HOME `x`'\nulimit -f 2\n"
