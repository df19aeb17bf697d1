"""Repositories made by real git commands, and the capsule's own programs to judge them."""

from __future__ import annotations

import base64
import ctypes
import json
import os
import random
import string
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

LIBRARY = Path(__file__).parents[3] / "workflows" / "library" / "repo-health"
sys.dont_write_bytecode = True  # the package's folder is part of the capsule's plan
sys.path.insert(0, str(LIBRARY))

from repo_health import check, inventory, snapshot  # noqa: E402 - the package lies beside its capsule, not on the path
from repo_health.context import Context  # noqa: E402
from repo_health.git import Git, private_home  # noqa: E402

NOW = 1_767_225_600  # 2026-01-01T00:00:00Z, the instant that judged repositories are looked at
DAY = 86_400


@dataclass
class Repo:
    """A repository that a test fills. Commits are dated one minute apart, ending before `NOW`."""

    path: Path
    clock: int = NOW - 30 * DAY

    def git(self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
        """Runs git in the repository with an identity and a date; returns what it wrote."""
        done = subprocess.run(
            [
                "git",
                "-c",
                "user.name=Ann",
                "-c",
                "user.email=ann@example.org",
                "-c",
                "protocol.file.allow=always",
                *arguments,
            ],
            cwd=self.path,
            input=stdin,
            capture_output=True,
            check=False,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.path.parent),
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_AUTHOR_DATE": f"{self.clock} +0000",
                "GIT_COMMITTER_DATE": f"{self.clock} +0000",
                **(env or {}),
            },
        )
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
        return done.stdout.decode("utf-8", "replace").rstrip("\n")

    def write(self, files: Mapping[str, str | bytes | None]) -> None:
        """Writes files of the work tree; None removes one."""
        for name, content in files.items():
            path = self.path / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(
        self, files: Mapping[str, str | bytes | None] | None = None, *, author: str = "", days_ago: int = 0
    ) -> str:
        """Commits the files and all else that changed; returns the commit's id."""
        self.write(files or {})
        self.clock = NOW - days_ago * DAY if days_ago else self.clock + 60
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "change", *([f"--author={author}"] if author else []))
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def make_repo(tmp_path: Path) -> Callable[..., Repo]:
    """Makes empty repositories by name; the branch is `main`."""

    def make(name: str = "project", *options: str) -> Repo:
        path = tmp_path / name
        path.mkdir()
        repo = Repo(path)
        repo.git("init", "-q", "-b", "main", *options)
        return repo

    return make


@pytest.fixture
def repo(make_repo: Callable[..., Repo]) -> Repo:
    """An empty repository."""
    return make_repo()


@dataclass
class Judged:
    """A repository as the capsule's first two steps saw it."""

    folder: Path
    context: Context

    @property
    def summary(self) -> dict[str, Any]:
        """The output `inventory`."""
        return inventory.summary(self.context.snapshot, self.context.facts)

    def check(self, name: str) -> dict[str, Any]:
        """The outputs of one check."""
        return check.judge(self.context, name)

    def findings(self, name: str, rule: str = "") -> list[dict[str, Any]]:
        """The findings of one check, or of one rule of it."""
        return [f for f in self.check(name)["findings"] if not rule or f["id"].split(".")[1] == rule]

    def rules(self, name: str) -> list[str]:
        """`severity rule` of each finding of one check."""
        return [f"{f['severity']} {f['id'].split('.')[1]}" for f in self.check(name)["findings"]]


@pytest.fixture
def judge(tmp_path: Path) -> Callable[..., Judged]:
    """Copies and measures a repository with the capsule's own code."""
    count = 0

    def look(repo: Repo | Path, *, history: int = 20_000, as_of: int = NOW) -> Judged:
        nonlocal count
        count += 1
        folder = tmp_path / f"judged-{count}"
        home = private_home(folder / "home")
        path = repo.path if isinstance(repo, Repo) else repo
        taken = snapshot.take(path, folder, home, as_of)
        git = Git.at(folder / snapshot.FOLDER, home)
        return Judged(folder, Context(git, taken, inventory.measure(git, taken, history), history))

    return look


@dataclass
class Program:
    """How a step's program ended."""

    code: int
    stderr: str
    outputs: dict[str, str]
    work: Path


def give_up_root() -> None:
    """Takes from root the power to read what its mode forbids (Linux: PR_CAPBSET_DROP of CAP_DAC_*)."""
    library = ctypes.CDLL(None, use_errno=True)
    for capability in (1, 2):
        assert library.prctl(24, capability, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())


@pytest.fixture
def run_program(tmp_path: Path) -> Callable[..., Program]:
    """Runs a step's program as the script operator does: own folders, few variables, values by file."""
    count = 0

    def run(
        module: str, values: Mapping[str, Any], *, path: str = os.environ["PATH"], powerless: bool = False
    ) -> Program:
        nonlocal count
        count += 1
        root = tmp_path / f"step-{count}"
        for folder in ("work", "home"):
            (root / folder).mkdir(parents=True)
        (root / "input.json").write_text(json.dumps(values), encoding="utf-8")
        (root / "output").touch()
        done = subprocess.run(
            [sys.executable, "-sP", "-c", f"from repo_health.{module} import main; main()"],
            cwd=root / "work",
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=give_up_root if powerless and os.getuid() == 0 else None,
            env={
                "PATH": path,
                "HOME": str(root / "home"),
                "LC_ALL": "C.UTF-8",
                "PYTHONPATH": str(LIBRARY),
                "PYTHONDONTWRITEBYTECODE": "1",
                "SOMAGENT_INCLUDE": str(LIBRARY),
                "SOMAGENT_INPUT": str(root / "input.json"),
                "SOMAGENT_OUTPUT": str(root / "output"),
            },
        )
        lines = (root / "output").read_text(encoding="utf-8").splitlines()
        return Program(done.returncode, done.stderr, dict(line.split("=", 1) for line in lines), root / "work")

    return run


@dataclass
class Credentials:
    """Makes credentials that look real and belong to nobody, one for each rule, never twice the same."""

    random: random.Random

    def take(self, alphabet: str, length: int) -> str:
        """Random characters; digits and letters are both among them where the alphabet has them."""
        while True:
            text = "".join(self.random.choices(alphabet, k=length))
            mixed = any(c.isdigit() for c in text) and any(c.isalpha() for c in text)
            if mixed or not (set(alphabet) & set(string.digits)) or not (set(alphabet) & set(string.ascii_letters)):
                return text

    def private_key(self, kind: str = "RSA ", extra: str = "") -> str:
        """A private key's text; its body is random bytes."""
        body = base64.b64encode(self.random.randbytes(600)).decode()
        lines = "\n".join(body[i : i + 64] for i in range(0, len(body), 64))
        return f"-----BEGIN {kind}PRIVATE KEY-----\n{extra}{lines}\n-----END {kind}PRIVATE KEY-----\n"

    def make(self, rule: str) -> str:
        """A credential for the rule, as a line would hold it."""
        any_, lower, hex_ = (
            string.ascii_letters + string.digits,
            string.ascii_lowercase + string.digits,
            "0123456789abcdef",
        )
        upper32, url = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", any_ + "-_"
        t = self.take
        header = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
        claims = base64.urlsafe_b64encode(f'{{"sub":"{t(hex_, 12)}"}}'.encode()).decode().rstrip("=")
        forms: dict[str, Callable[[], str]] = {
            "aws-access-key": lambda: "AKIA" + t(upper32, 16),
            "aws-temporary-key": lambda: "ASIA" + t(upper32, 16),
            "aws-secret-key": lambda: f'aws_secret_access_key = "{t(any_ + "/+", 40)}"',
            "github-token": lambda: "ghp_" + t(any_, 36),
            "github-fine-grained-token": lambda: f"github_pat_{t(any_, 22)}_{t(any_, 59)}",
            "gitlab-token": lambda: "glpat-" + t(url, 19) + "a",
            "slack-token": lambda: f"xoxb-{t(string.digits, 12)}-{t(any_, 24)}",
            "slack-app-token": lambda: f"xapp-1-A{t(upper32, 10)}-{t(string.digits, 13)}-{t(lower, 64)}",
            "slack-webhook": lambda: (
                f"https://hooks.slack.com/services/T{t(upper32, 10)}/B{t(upper32, 10)}/{t(any_, 24)}"
            ),
            "stripe-key": lambda: "sk_live_" + t(any_, 24),
            "stripe-test-key": lambda: "sk_test_" + t(any_, 24),
            "openai-key": lambda: f"sk-{t(any_, 20)}T3BlbkFJ{t(any_, 20)}",
            "anthropic-key": lambda: f"sk-ant-api03-{t(url, 93)}AA",
            "huggingface-token": lambda: "hf_" + t(string.ascii_letters, 34),
            "google-oauth-secret": lambda: "GOCSPX-" + t(url, 27) + "a",
            "google-api-key": lambda: "AIza" + t(url, 34) + "a",
            "npm-token": lambda: "npm_" + t(any_, 36),
            "pypi-token": lambda: "pypi-AgEIcHlwaS5vcmc" + t(url, 100) + "a",
            "rubygems-key": lambda: "rubygems_" + t(hex_, 48),
            "crates-token": lambda: "cio" + t(any_, 32),
            "docker-token": lambda: "dckr_pat_" + t(url, 26) + "a",
            "sendgrid-key": lambda: f"SG.{t(any_, 22)}.{t(any_, 43)}",
            "mailgun-key": lambda: "key-" + t(hex_, 32),
            "twilio-key": lambda: "SK" + t(hex_, 32),
            "telegram-token": lambda: f"{t('123456789', 9)}:AA{t(any_, 33)}",
            "discord-token": lambda: f"discord: M{t(any_, 23)}.{t(any_, 6)}.{t(any_, 27)}",
            "discord-webhook": lambda: f"https://discord.com/api/webhooks/{t('123456789', 18)}/{t(any_, 68)}",
            "digitalocean-token": lambda: "dop_v1_" + t(hex_, 64),
            "shopify-token": lambda: "shpat_" + t(hex_, 32),
            "databricks-token": lambda: "dapi" + t(hex_, 32),
            "vault-token": lambda: "hvs." + t(url, 94) + "a",
            "terraform-token": lambda: f"{t(any_, 14)}.atlasv1.{t(any_, 64)}",
            "atlassian-token": lambda: "ATATT3" + t(any_, 186),
            "grafana-token": lambda: f"glsa_{t(any_, 32)}_{t(hex_, 8)}",
            "newrelic-key": lambda: "NRAK-" + t(string.ascii_uppercase + string.digits, 27),
            "postman-key": lambda: f"PMAK-{t(hex_, 24)}-{t(hex_, 34)}",
            "linear-key": lambda: "lin_api_" + t(any_, 40),
            "planetscale-token": lambda: "pscale_tkn_" + t(any_, 43),
            "1password-token": lambda: "ops_eyJ" + t(any_, 300),
            "age-key": lambda: "AGE-SECRET-KEY-1" + t("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58),
            "azure-client-secret": lambda: f"{t(any_, 3)}8Q~{t(any_, 34)}",
            "azure-storage-key": lambda: f"AccountKey={t(any_ + '/+', 86)}==",
            "json-web-token": lambda: f"{header}.{claims}.{t(any_, 43)}",
            "private-key": self.private_key,
            "url-credentials": lambda: f"postgres://app:{t(any_, 16)}@db.corp.io:5432/app",
            "generic-secret": lambda: f'client_secret = "{t(any_, 32)}"',
        }
        return forms[rule]()


@pytest.fixture
def credentials() -> Credentials:
    """Credentials from a fixed seed."""
    return Credentials(random.Random(20260101))
