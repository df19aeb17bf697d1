"""Credentials are found wherever they ever were, and never shown; what only looks like one is left alone."""

from __future__ import annotations

import json
import string

import pytest
from repo_health.secret_scan.rules import RULES

ALNUM = string.ascii_letters + string.digits


def only(findings):
    """The one finding there is."""
    assert len(findings) == 1, findings
    return findings[0]


@pytest.mark.parametrize("rule", sorted({rule.id for rule in RULES}))
def test_every_rule_finds_its_credential_and_nobody_sees_it(repo, judge, credentials, rule):
    secret = credentials.make(rule)
    repo.commit({"src/app.py": f"first = 1\nvalue = '''{secret}'''\n" if "\n" in secret else f"first = 1\n{secret}\n"})

    result = judge(repo).check("secrets")

    finding = only(result["findings"])
    expected = next(one for one in RULES if one.id == rule)
    assert (finding["id"].split(".")[1], finding["severity"]) == (rule, expected.severity)
    assert (finding["file"], finding["line"]) == ("src/app.py", 2)
    told = json.dumps(result)
    assert not any(part in told for part in secret.split() if len(part) > 12)


def test_a_secret_removed_later_is_still_found_in_history(repo, judge, credentials):
    repo.commit({"a.py": "a = 1\n"})
    commit = repo.commit({"a.py": f"a = 1\nb = 2\nkey = '{credentials.make('github-token')}'\n"})
    repo.commit({"a.py": "a = 1\n"})

    finding = only(judge(repo).findings("secrets"))

    assert (finding["severity"], finding["file"], finding["line"], finding["commit"]) == ("critical", "a.py", 3, commit)
    assert f"commit {commit[:12]} added it, HEAD no longer has it" in finding["message"]


def test_a_secret_in_head_names_its_place_now_and_the_commit_that_brought_it(repo, judge, credentials):
    token = credentials.make("npm-token")
    commit = repo.commit({"old.py": f"t = '{token}'\n"})
    repo.git("mv", "old.py", "new.py")
    repo.commit({"new.py": f"# moved\n\nt = '{token}'\n"})

    finding = only(judge(repo).findings("secrets"))

    assert (finding["file"], finding["line"], finding["commit"]) == ("new.py", 3, commit)
    assert "in the current files" in finding["message"]


def test_one_secret_in_many_places_is_one_finding(repo, judge, credentials):
    token = credentials.make("npm-token")
    repo.commit({"a.py": f"t = '{token}'\n", "b.py": f"u = '{token}'\nv = '{token}'\n"})
    assert "and in 2 more places" in only(judge(repo).findings("secrets"))["message"]


def test_a_secret_on_another_branch_is_found(repo, judge, credentials):
    repo.commit({"a.py": "a = 1\n"})
    repo.git("checkout", "-q", "-b", "side")
    commit = repo.commit({"b.py": f"t = '{credentials.make('gitlab-token')}'\n"})
    repo.git("checkout", "-q", "main")
    assert only(judge(repo).findings("secrets"))["commit"] == commit


def test_a_secret_that_only_a_merge_brought_is_found(repo, judge, credentials):
    repo.commit({"a.py": "a = 1\n"})
    repo.git("checkout", "-q", "-b", "side")
    repo.commit({"b.py": "b = 1\n"})
    repo.git("checkout", "-q", "main")
    repo.commit({"c.py": "c = 1\n"})
    repo.git("merge", "-q", "--no-commit", "side")
    repo.write({"b.py": f"b = 1\n\nt = '{credentials.make('gitlab-token')}'\n"})
    repo.git("add", "-A")
    repo.git("commit", "-q", "-m", "merge")
    merge = repo.git("rev-parse", "HEAD")
    repo.commit({"b.py": "b = 1\n"})

    finding = only(judge(repo).findings("secrets"))

    assert (finding["file"], finding["line"], finding["commit"]) == ("b.py", 3, merge)


def test_lines_are_right_in_every_hunk_of_a_change(repo, judge, credentials):
    lines = [f"line {number}" for number in range(1, 101)]
    repo.commit({"a.txt": "\n".join(lines) + "\n"})
    first, second = credentials.make("npm-token"), credentials.make("stripe-key")
    lines[9:12] = [f"x {first}"]
    lines[80] = f"y {second}"
    repo.commit({"a.txt": "\n".join(lines)})
    repo.commit({"a.txt": "gone\n"})

    places = {finding["id"].split(".")[1]: finding["line"] for finding in judge(repo).findings("secrets")}

    assert places == {"npm-token": 10, "stripe-key": 81}


def test_names_with_odd_characters_are_told_right_in_history(repo, judge, credentials):
    name = 'naïve "dir"\t/日 本.py'
    repo.commit({name: f"t = '{credentials.make('npm-token')}'\n"})
    repo.commit({name: "t = 1\n"})
    assert only(judge(repo).findings("secrets"))["file"] == 'naïve "dir"\\t/日 本.py'


def test_attributes_cannot_hide_a_file(repo, judge, credentials):
    repo.commit({".gitattributes": "*.env -diff\n* binary\n", "prod.env": f"T={credentials.make('npm-token')}\n"})
    repo.commit({"prod.env": "T=\n"})
    assert only(judge(repo).findings("secrets"))["file"] == "prod.env"


def test_utf16_files_are_read(repo, judge, credentials):
    repo.commit({"settings.ini": f"a=1\r\ntoken={credentials.make('npm-token')}\r\n".encode("utf-16")})
    finding = only(judge(repo).findings("secrets"))
    assert (finding["file"], finding["line"]) == ("settings.ini", 2)


def test_windows_line_ends_change_nothing(repo, judge, credentials):
    repo.commit({"id_key.pem": credentials.private_key().replace("\n", "\r\n"), "k.pem": "x\n"})
    finding = only(judge(repo).findings("secrets"))
    assert (finding["id"].split(".")[1], finding["line"], finding["severity"]) == ("private-key", 1, "high")


def test_a_private_key_in_a_string_literal_is_found(repo, judge, credentials):
    text = credentials.private_key("").replace("\n", "\\n")
    repo.commit({"account.json": json.dumps({"type": "service_account"}) + f'\n{{"private_key": "{text}"}}\n'})
    assert only(judge(repo).findings("secrets"))["line"] == 2


def test_a_key_under_a_passphrase_is_milder(repo, judge, credentials):
    body = credentials.private_key("RSA ", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n")
    repo.commit({"server.key": body, "other.key": credentials.private_key("ENCRYPTED ")})
    found = judge(repo).findings("secrets", "private-key")
    assert [finding["severity"] for finding in found] == ["medium", "medium"]
    assert all(finding["message"].startswith("encrypted private key") for finding in found)


def test_a_shallow_clone_still_shows_what_its_oldest_commit_holds(repo, judge, credentials, tmp_path):
    repo.commit({"a.py": f"t = '{credentials.make('npm-token')}'\n"})
    repo.commit({"b.py": "b = 1\n"})
    repo.commit({"a.py": "t = 1\n"})
    repo.git("clone", "-q", "--depth", "2", f"file://{repo.path}", str(tmp_path / "shallow"))
    assert only(judge(tmp_path / "shallow").findings("secrets"))["file"] == "a.py"


@pytest.mark.parametrize(
    "marker", ["repo-health: allow", "gitleaks:allow", "pragma: allowlist secret", "trufflehog:ignore"]
)
def test_a_line_with_an_allow_marker_is_left_out_and_counted(repo, judge, credentials, marker):
    token = credentials.make("npm-token")
    repo.commit({"a.py": f"t = '{token}'\n"})
    repo.commit({"a.py": f"t = '{token}'  # {marker}\n"})

    result = judge(repo).check("secrets")

    assert result["findings"] == []
    assert "1 value on lines with an allow marker left out" in result["notes"]


def test_an_accepted_secret_becomes_information_and_is_counted_apart(repo, judge, credentials):
    repo.commit({"a.py": f"t = '{credentials.make('npm-token')}'\n"})
    repo.commit({"a.py": "t = 1\n"})
    finding = only(judge(repo).findings("secrets"))
    repo.commit({".repo-health-allow": f"# dead keys\n{finding['id']} revoked on 3 May\n"})

    result = judge(repo).check("secrets")

    accepted = only(result["findings"])
    assert (accepted["id"], accepted["severity"]) == (finding["id"], "info")
    assert accepted["message"].startswith("Accepted (revoked on 3 May): ")
    assert (result["counts"]["critical"], result["counts"]["waived"]) == (0, 1)


def test_an_id_without_a_reason_accepts_nothing(repo, judge, credentials):
    repo.commit({"a.py": f"t = '{credentials.make('npm-token')}'\n"})
    finding = only(judge(repo).findings("secrets"))
    repo.commit({".repo-health-allow": f"{finding['id']}\n"})
    assert only(judge(repo).findings("secrets"))["severity"] == "critical"


def test_the_id_stays_while_lines_move_and_when_the_secret_goes(repo, judge, credentials):
    token = credentials.make("npm-token")
    repo.commit({"a.py": f"t = '{token}'\n"})
    first = only(judge(repo).findings("secrets"))["id"]
    repo.commit({"a.py": f"# more\n# lines\nt = '{token}'\n"})
    second = only(judge(repo).findings("secrets"))["id"]
    repo.commit({"a.py": "t = 1\n"})
    assert first == second == only(judge(repo).findings("secrets"))["id"]


@pytest.mark.parametrize("folder", ["tests/", "examples/", "docs/", "vendor/x/"])
def test_keys_and_passwords_in_tests_and_examples_are_low(repo, judge, credentials, folder):
    repo.commit({f"{folder}server.pem": credentials.private_key()})
    assert only(judge(repo).findings("secrets"))["severity"] == "low"


def test_an_issuers_token_in_a_test_is_as_bad_as_anywhere(repo, judge, credentials):
    repo.commit({"tests/test_a.py": f"t = '{credentials.make('github-token')}'\n"})
    assert only(judge(repo).findings("secrets"))["severity"] == "critical"


def test_a_key_in_a_test_and_elsewhere_counts_as_elsewhere(repo, judge, credentials):
    key = credentials.private_key()
    repo.commit({"tests/server.pem": key, "deploy/server.pem": key})
    assert only(judge(repo).findings("secrets"))["severity"] == "high"


INNOCENT = {
    "placeholders": "api_key = 'your_api_key_1234567890'\npassword = 'changeme123456'\ntoken = '<insert-token-12ab>'\n",
    "amazon's example": "key = 'AKIA" + "IOSFODNN7EXAMPLE'\n",
    "repeated": "token = 'ghp_" + "a" * 36 + "'\n",
    "sequence": "token = 'ghp_" + "abcdefghijklmnopqrstuvwxyz0123456789" + "'\n",
    "references": (
        "password = os.environ['DB_PASSWORD_1']\ntoken = \"${API_TOKEN_2}\"\n\nsecret: '{{ vault.secret_3 }}'\n"
    ),
    "names": (
        "token_url = 'https://a.example/x9Fk2LmQ8vT4'\nsecret_name = 'prod-a8f3k2m9x7q1'\n\n"
        "PASSWORD_FIELD = 'passw0rd_input_x9'\n"
    ),
    "words": "password = 'correct-horse-battery-staple'\ntoken = 'next_page_token'\n",
    "uuid": "token = '3f2b8c1e-9a4d-4e6f-8b7a-1c2d3e4f5a6b'\n",
    "version": "access_key = '1.22.333.4444'\n",
    "path": "private_key = '/etc/ssl/private/server1.pem'\n",
    "addresses": (
        "a = 'postgres://user:password@db.example.com/x'\nb = 'redis://redis:redis@cache:6379'\n"
        "c = 'https://$USER:$PASS@host.io/x'\nd = r'https://[^:]+:[^@]+@host.io'\ne = 'amqp://guest:guest@localhost'\n"
    ),
    "public key": "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----\n",
    "empty private key": "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n",
    "prose behind a key's head": "-----BEGIN PRIVATE KEY-----\n" + "and then 17 words follow, none of them a key. " * 9,
    "a token's pattern": r"pattern = r'\bghp_[A-Za-z0-9]{36}\b'" + "\n",
    "a hash": "digest = 'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'\n",
}


@pytest.mark.parametrize("kind", sorted(INNOCENT))
def test_what_only_looks_like_a_credential_is_left_alone(repo, judge, kind):
    repo.commit({"src/app.py": INNOCENT[kind], "config.yaml": INNOCENT[kind]})
    assert judge(repo).findings("secrets") == []


@pytest.mark.parametrize("name", [".env", "app.properties", "deploy/values.yaml", "Dockerfile"])
def test_settings_without_quotes_are_read_in_settings_files(repo, judge, credentials, name):
    value = credentials.take(ALNUM, 32)
    line = f"ENV DB_PASSWORD={value}\n" if name == "Dockerfile" else f"db_password: {value}\n"
    repo.commit({name: "a: 1\n" + line, "src/app.py": f"# {line}"})
    finding = only(judge(repo).findings("secrets", "generic-secret"))
    assert (finding["file"], finding["line"]) == (name, 2)


def test_lock_files_and_vendored_code_are_spared_the_generic_rule(repo, judge, credentials):
    line = credentials.make("generic-secret") + "\n"
    repo.commit({"vendor/a/b.py": line, "poetry.lock": line, "dist/app.min.js": line})
    assert judge(repo).findings("secrets") == []


def test_a_private_network_name_with_a_random_password_counts(repo, judge, credentials):
    address = f"postgres://app:{credentials.take(ALNUM, 20)}@database:5432/app\n"
    repo.commit({"settings.py": f"URL = '{address.strip()}'\n"})
    assert only(judge(repo).findings("secrets"))["severity"] == "high"


def test_the_checks_own_source_and_tests_hold_no_credential(repository, make_repo, judge):
    repo = make_repo("own")
    here = (repository / "workflows/library/repo-health", repository / "tests/library/repo_health")
    for folder in here:
        files = {str(path.relative_to(repository)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        repo.commit({name: content for name, content in files.items() if "__pycache__" not in name})
    assert judge(repo).findings("secrets") == []
