"""What a build fetches is fixed, or it is a finding."""

from __future__ import annotations

import json

import pytest

UPDATER = {".github/dependabot.yml": "version: 2\n"}


def found(judged):
    """Rules with severity, without the one about updates."""
    return sorted(rule for rule in judged.rules("dependencies") if rule != "low no-updater")


def test_a_repository_that_fetches_nothing_is_not_judged(repo, judge):
    repo.commit({"a.py": "x\n"})
    assert judge(repo).check("dependencies")["applies"] is False


def test_manifests_without_anything_that_updates_them(repo, judge):
    repo.commit({"requirements.txt": "flask==3.0.0\n"})
    assert judge(repo).rules("dependencies") == ["low no-updater"]
    repo.commit(UPDATER)
    assert judge(repo).rules("dependencies") == []


def test_loose_requirements_name_the_first_and_count_the_rest(repo, judge):
    repo.commit(
        {
            "requirements.txt": "# web\nflask==3.0.0\n-r other.txt\nrequests>=2  # http\nurllib3\n"
            "celery==5.* \\\n  ; python_version > '3'\n-e .\n"
            "tool @ git+https://example.org/t@0123456789012345678901234567890123456789\n"
        }
    )
    finding = judge(repo).findings("dependencies", "requirement-not-pinned")[0]
    assert (finding["severity"], finding["line"]) == ("medium", 4)
    assert finding["message"].startswith("3 of 6 requirements are not pinned to a version, the first is requests>=2")


@pytest.mark.parametrize(
    ("entry", "pinned"),
    [
        ("flask==3.0.0", True),
        ("flask===3.0.0", True),
        ("flask==3.0.0 --hash=sha256:aa", True),
        ("flask[async]==3.0 ; python_version < '4'", True),
        ("flask>=3,<4", False),
        ("flask~=3.0", False),
        ("flask!=3.0", False),
        ("flask==3.*", False),
        ("flask", False),
        ("git+https://example.org/x@main", False),
        ("x @ https://example.org/x-1.0-py3-none-any.whl", True),
        ("./local", True),
    ],
)
def test_what_counts_as_pinned(entry, pinned):
    from repo_health.pins.python import is_pinned

    assert is_pinned(entry) is pinned


def test_package_sources_that_others_can_stand_in_for(repo, judge):
    repo.commit(
        {
            "requirements.txt": "--index-url http://pypi.corp/simple\n--extra-index-url https://b.example/s\n"
            "--trusted-host x\nflask==3.0\n"
        }
    )
    assert found(judge(repo)) == ["high unencrypted-index", "high unencrypted-index", "low extra-index"]


@pytest.mark.parametrize("lock", ["uv.lock", "poetry.lock", "requirements.txt", "requirements/core.txt"])
def test_a_python_project_with_a_lock_is_fine(repo, judge, lock):
    project = "[project]\nname = 'x'\ndependencies = ['flask']\n"
    repo.commit({"pyproject.toml": project})
    assert found(judge(repo)) == ["low no-lock"]
    repo.commit({lock: "flask==3.0.0\n"})
    assert found(judge(repo)) == []


def test_a_manifest_that_cannot_be_parsed_is_found_with_its_line(repo, judge):
    repo.commit({"pyproject.toml": "[project]\nname = \n", "package.json": '{"name": "x"\n"private": true}\n'})
    lines = {f["file"]: f.get("line") for f in judge(repo).findings("dependencies", "unreadable-manifest")}
    assert lines == {"pyproject.toml": 2, "package.json": 2}


def test_node_versions_that_mean_anything(repo, judge):
    package = {
        "dependencies": {
            "a": "*",
            "b": "latest",
            "c": "^1.2",
            "d": "github:x/y",
            "e": "github:x/y#" + "a" * 40,
            "f": "workspace:*",
        }
    }
    repo.commit({"package.json": json.dumps(package, indent=1), "yarn.lock": "\n"})
    judged = judge(repo)
    assert found(judged) == ["medium any-version", "medium any-version", "medium moving-source"]
    assert [f["line"] for f in judged.findings("dependencies", "any-version")] == [3, 4]


def test_a_node_package_without_its_lock(repo, judge):
    repo.commit(
        {
            "package.json": '{"private": true, "dependencies": {"a": "^1"}}',
            "lib/package.json": '{"dependencies": {"a": "^1"}}',
        }
    )
    assert found(judge(repo)) == ["low no-lock", "medium no-lock"]
    repo.commit({"package-lock.json": json.dumps({"packages": {"": {"dependencies": {"a": "^1"}}}})})
    assert found(judge(repo)) == []


def test_a_lock_older_than_its_manifest(repo, judge):
    lock = {"packages": {"": {"dependencies": {"a": "^1"}}}}
    repo.commit({"package.json": '{"dependencies": {"a": "^2", "b": "^1"}}', "package-lock.json": json.dumps(lock)})
    assert found(judge(repo)) == ["medium stale-lock"]
    assert "they differ on a and 1 more" in judge(repo).findings("dependencies", "stale-lock")[0]["message"]


def test_two_lock_files_of_two_tools(repo, judge):
    repo.commit({"package.json": '{"dependencies": {"a": "^1"}}', "yarn.lock": "\n", "pnpm-lock.yaml": "\n"})
    assert found(judge(repo)) == ["low two-locks"]


@pytest.mark.parametrize(
    ("manifest", "text", "lock"),
    [
        ("go.mod", "module x\n\nrequire example.org/y v1.0.0\n", "go.sum"),
        ("Cargo.toml", "[package]\n[dependencies]\nserde = '1'\n", "Cargo.lock"),
        ("Gemfile", "source 'x'\ngem 'rails'\n", "Gemfile.lock"),
        ("composer.json", '{"require": {"a/b": "^1"}}\n', "composer.lock"),
        ("mix.exs", 'defp deps do\n[{:plug, "~> 1.0"}]\n', "mix.lock"),
        ("flake.nix", "{ inputs.x.url = 'y'; }\n", "flake.lock"),
        ("chart/Chart.yaml", "name: x\ndependencies:\n  - name: y\n", "chart/Chart.lock"),
        ("main.tf", "terraform { required_providers {} }\n", ".terraform.lock.hcl"),
    ],
)
def test_a_manifest_without_its_lock_in_other_ecosystems(repo, judge, manifest, text, lock):
    repo.commit({manifest: text, "requirements.txt": "x==1\n"})
    assert [rule.split()[1] for rule in found(judge(repo))] == ["no-lock"]
    repo.commit({lock: "x\n"})
    assert found(judge(repo)) == []


def test_images_without_a_digest(repo, judge):
    digest = "python:3.12@sha256:" + "a" * 64
    repo.commit(
        {
            "Dockerfile": f"ARG V=1\nFROM {digest} AS base\nFROM --platform=linux/amd64 node:22 AS web\nFROM base\n"
            "FROM scratch\nFROM x:$V\nFROM corp.example:5000/tool\n",
            "compose.yaml": "services:\n  db:\n    image: postgres:latest\n",
        }
    )
    judged = judge(repo)
    assert found(judged) == ["low image-by-tag", "medium image-without-tag", "medium image-without-tag"]
    assert {(f["file"], f["line"]) for f in judged.findings("dependencies") if "line" in f} == {
        ("Dockerfile", 3),
        ("Dockerfile", 7),
        ("compose.yaml", 3),
    }


def test_actions_by_tag_are_one_finding_each_and_milder_for_the_hosts_own(repo, judge):
    steps = "".join(
        f"      - uses: {used}\n"
        for used in (
            "actions/checkout@v4",
            "other/thing@main",
            "other/thing@main",
            "./local",
            "a/b@" + "c" * 40,
            "docker://x",
        )
    )
    repo.commit({".github/workflows/a.yml": f"on: push\njobs:\n  a:\n    steps:\n{steps}"})
    assert found(judge(repo)) == ["low action-by-tag", "medium action-by-tag"]


def test_downloads_run_unseen(repo, judge):
    repo.commit(
        {
            "Dockerfile": "FROM scratch\nRUN curl -fsSL https://x.example/install | sudo bash -s\n",
            "setup.sh": "#!/bin/sh\n# curl x | sh\necho 'curl x | sh'\ncurl -o f https://x && sha256sum -c f\n"
            "bash <(curl -s https://y)\n",
            "README.md": "curl https://x | sh\n",
        }
    )
    places = {(f["file"], f["line"]) for f in judge(repo).findings("dependencies", "piped-download")}
    assert places == {("Dockerfile", 2), ("setup.sh", 5)}
