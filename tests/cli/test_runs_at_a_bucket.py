"""Runs whose ledger is at an object store, from the command line: where they may be, and what is said of that."""

from __future__ import annotations

import pytest
from somagent_shell import Shell

SPEC = "  steps:\n    a: { script: { run: echo hello } }\n"
PLACE = ("--image", "registry.example/step:1")


@pytest.fixture
def capsule(somagent: Shell) -> str:
    return somagent.capsule("demo", SPEC)


@pytest.mark.parametrize("folder", ["file:///srv/runs", "runs"])
def test_pods_are_given_no_folder_of_this_machine(somagent: Shell, capsule: str, folder: str) -> None:
    for command in (("run", capsule, "--engine", "argo"), ("compile", capsule, "--target", "argo")):
        by_option = somagent(*command, *PLACE, "--runs", folder)
        by_variable = somagent(*command, *PLACE, SOMAGENT_RUNS=folder)
        assert (by_option.code, by_variable.code, by_option.out + by_variable.out) == (2, 2, "")
        assert by_option.err.startswith(f"error: `--runs {folder}` is a folder of this machine, and pods reach none")
        assert by_variable.err.startswith(f"error: $SOMAGENT_RUNS, `{folder}`, is a folder of this machine")
        assert "name a bucket that pods and this command reach: s3://BUCKET/PREFIX, gs:// or az://" in by_option.err


def test_a_folder_means_the_same_to_workers_of_airflow_wherever_they_work(somagent: Shell, capsule: str) -> None:
    words = ("compile", capsule, "--target", "airflow", "--runs")
    assert f"RUNS = 'file://{somagent.folder}/my%20runs'" in somagent(*words, "my runs").out
    assert "RUNS = 'file:///srv/runs'" in somagent(*words, "file:///srv/runs").out
    refused = somagent(*words, "file://srv/runs")
    assert refused.code == 2
    assert "names no folder; write it from the root on: file:///srv/runs" in refused.err


def test_what_is_no_address_of_a_store_is_said(somagent: Shell) -> None:
    for address, why in (("memory:///x", "is gone with this process"), ("ftp://x/y", "is no address of an object st")):
        refused = somagent("runs", "--engine", "argo", "--runs", address)
        assert (refused.code, why in refused.err) == (2, True), refused.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--runs", "s3://bucket/runs"),
            "--runs is not for the engine `local`; leave it out, or add `--engine argo` or",
        ),
        (("--image", "reg/step:1"), "--image is not for the engine `local`;"),
        (
            ("--engine", "argo", "--runs", "s3://bucket/runs", "--parallel", "3"),
            "--parallel is not for the engine `argo`; leave it out, or say `--engine local`",
        ),
        (
            ("--engine", "airflow", "--runs", "s3://bucket/runs", "--namespace", "agents"),
            "--namespace is for pods, and without an image Airflow begins steps as processes of its workers; leave",
        ),
        (("--engine", "airflow", "--runs", "s3://bucket/runs", "--runs-secret", "store"), "--runs-secret is for pods,"),
        (("--runs", ""), "argument --runs: it is empty"),
    ],
)
def test_an_option_that_the_engine_would_not_look_at_is_refused(
    somagent: Shell, capsule: str, words: tuple[str, ...], said: str
) -> None:
    refused = somagent("run", capsule, *words)
    assert refused.code == 2
    assert said in refused.err
    assert "there are no runs here yet" in somagent("show").err
