"""`somagent compile --target airflow`: what is written, and what never is."""

from __future__ import annotations

import json

from somagent_shell import Shell

SPEC = "  steps:\n    a: { script: { run: echo hello } }\n"


def test_a_dag_file_and_its_plan_are_written_side_by_side_and_never_changed(somagent: Shell) -> None:
    capsule = somagent.capsule("demo", SPEC)
    words = ("compile", capsule, "--target", "airflow", "--runs", "file:///srv/runs", "-o", "dags")
    done = somagent(*words)
    assert (done.code, done.err) == (0, "")
    dag = somagent.folder / done.out.strip()
    assert sorted(path.name for path in dag.parent.iterdir()) == [f"{dag.stem}.plan.json", dag.name]
    assert json.loads(dag.with_suffix(".plan.json").read_text())["capsule"]["name"] == "demo"
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in dag.parent.iterdir()}
    assert somagent(*words).out == done.out
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in dag.parent.iterdir()} == before
    somagent.capsule("demo", SPEC.replace("hello", "bye"))
    other = somagent(*words).out
    assert other != done.out
    assert len(list(dag.parent.iterdir())) == 4
    dag.write_text(dag.read_text() + "# changed\n")
    somagent.capsule("demo", SPEC)
    refused = somagent(*words)
    assert refused.code == 2
    assert "was changed by hand; put it back, or remove it" in refused.err


def test_what_workers_need_is_said_by_options_or_by_the_environment(somagent: Shell) -> None:
    capsule = somagent.capsule("demo", SPEC)
    refused = somagent("compile", capsule, "--target", "airflow")
    assert (refused.code, refused.err) == (
        2,
        "error: --runs URL, or $SOMAGENT_RUNS, says the object store of runs, as workers reach it\n",
    )
    more = ("--step-runner", "/opt/somagent/bin/somagent-step --work /var/tmp", "--pool", "agents")
    said = somagent("compile", capsule, "--target", "airflow", *more, SOMAGENT_RUNS="s3://runs/acme").out
    assert "STEP_RUNNER = ['/opt/somagent/bin/somagent-step', '--work', '/var/tmp']" in said
    assert "RUNS = 's3://runs/acme'" in said
    assert "\"pool\": 'agents'" in said
    variables = {"SOMAGENT_STEP": more[1], "SOMAGENT_AIRFLOW_POOL": "agents", "SOMAGENT_RUNS": "s3://runs/acme"}
    assert somagent("compile", capsule, "--target", "airflow", **variables).out == said


def test_an_image_has_steps_run_in_pods_and_does_not_go_with_a_command(somagent: Shell) -> None:
    words = ("compile", somagent.capsule("demo", SPEC), "--target", "airflow")
    pods = ("--image", "reg/step:1", "--runs-secret", "store", "--namespace", "agents")
    said = somagent(*words, *pods, "--runs", "s3://runs/acme").out
    assert "'image': 'reg/step:1'" in said
    assert "'secretRef': {'name': 'store'}" in said
    assert "NAMESPACE = 'agents'" in said
    assert "subprocess" not in said
    named = {"SOMAGENT_IMAGE": "reg/step:1", "SOMAGENT_RUNS_SECRET": "store", "SOMAGENT_NAMESPACE": "agents"}
    assert somagent(*words, "--runs", "s3://runs/acme", **named).out == said
    assert somagent(*words, *pods, "--runs", "s3://runs/acme", SOMAGENT_STEP="somagent-step").out == said
    process = somagent(*words, "--runs", "file:///srv/runs", "--step-runner", "somagent-step", **named).out
    assert "STEP_RUNNER = ['somagent-step']" in process
    both = somagent(*words, "--runs", "s3://runs/acme", *pods, "--step-runner", "somagent-step")
    assert (both.code, both.out) == (2, "")
    assert "--image has steps run in pods, and --step-runner as processes of Airflow's workers; name one" in both.err
    both = somagent(*words, "--runs", "s3://runs/acme", SOMAGENT_STEP="somagent-step", **named)
    assert both.code == 2
    assert "SOMAGENT_IMAGE has steps run in pods, and SOMAGENT_STEP as processes" in both.err
    folder = somagent(*words, *pods, "--runs", "file:///srv/runs")
    assert folder.code == 2
    assert "is a folder of this machine, and pods reach none; name a bucket" in folder.err
    folder = somagent("run", words[1], "--engine", "airflow", *pods, "--runs", "file:///srv/runs")
    assert (folder.code, "is a folder of this machine, and pods reach none" in folder.err) == (2, True)


def test_an_option_that_would_not_be_looked_at_is_refused(somagent: Shell) -> None:
    words = ("compile", somagent.capsule("demo", SPEC), "--runs", "s3://runs/acme", "--target")
    pods = "is for pods, and without an image Airflow begins steps as processes"
    for given, said in (
        (("airflow", "--namespace", "agents"), f"--namespace {pods}"),
        (("airflow", "--runs-secret", "store", "--step-runner", "somagent-step"), f"--runs-secret {pods}"),
        (("airflow", "--name", "x"), "--name is for `--target argo`, not for `airflow`; leave it out"),
        (("airflow", "--no-fuse"), "--no-fuse is for `--target argo`"),
        (("argo", "--image", "reg/step:1", "--pool", "agents"), "--pool is for `--target airflow`, not for `argo`"),
    ):
        refused = somagent(*words, *given)
        assert (refused.code, refused.out) == (2, "")
        assert said in refused.err
    places = {"SOMAGENT_NAMESPACE": "agents", "SOMAGENT_RUNS_SECRET": "store"}  # of a place, for whoever has an image
    assert somagent(*words, "airflow", **places).code == 0


def test_a_script_that_names_an_image_is_refused_with_its_line(somagent: Shell) -> None:
    capsule = somagent.capsule("demo", SPEC.replace("run: echo hello", 'run: echo hello, image: "python:3.12"'))
    refused = somagent("compile", capsule, "--target", "airflow", "--image", "reg/step:1", "--runs", "s3://runs/acme")
    assert refused.code == 2
    assert "demo.capsule.yaml:6: step `a` runs in an image of its own, `python:3.12`" in refused.err
