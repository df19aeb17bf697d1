"""What becomes of the output changes nothing in a run, and standard output holds what was asked for and no more."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from somagent_shell import COMMAND, Shell

FAILS = "  steps:\n    a: { script: { run: 'echo here; exit 3' } }\n"
WORKS = "  steps:\n    a: { script: { run: 'true' } }\n"


def shell(somagent: Shell, script: str, **environment: str) -> tuple[str, str]:
    """What a line of bash writes on standard output and error."""
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=somagent.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env=somagent.environment(**environment),
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout, done.stderr


@pytest.mark.parametrize(("spec", "phase", "code"), [(FAILS, "Failed", 1), (WORKS, "Succeeded", 0)])
@pytest.mark.parametrize("output", ["text", "json"])
def test_a_run_whose_reader_has_gone_is_worked_on(
    somagent: Shell, spec: str, phase: str, code: int, output: str
) -> None:
    name = somagent.capsule("piped", spec)
    line = f"(sleep 0.2; somagent run {name} --output {output} 2>/dev/null; echo rc=$? >&2) | true"
    assert shell(somagent, line) == ("", f"rc={code}\n")
    assert somagent("show", "last", "--output", "json").json["phase"] == phase


@pytest.mark.parametrize("where", [">/dev/full", ">/dev/full 2>&1", ">&- 2>&-", "2>/dev/full >/dev/full"])
def test_a_run_whose_output_cannot_be_written_is_worked_on(somagent: Shell, where: str) -> None:
    name = somagent.capsule("full", FAILS)
    out, err = shell(somagent, f"somagent run {name} {where}; echo rc=$?")
    assert out == "rc=1\n"
    assert err == ("warning: cannot write to standard output: no space left on device\n" if "2>" not in where else "")
    assert somagent("show", "last", "--output", "json").json["phase"] == "Failed"


def test_a_command_that_only_prints_says_that_it_could_not(somagent: Shell) -> None:
    somagent("run", somagent.capsule("one", WORKS))
    said = "error: cannot write to standard output: no space left on device\n"
    assert shell(somagent, "somagent runs > /dev/full; echo rc=$?") == ("rc=2\n", said)
    assert shell(somagent, "(somagent runs; echo rc=$? >&2) | true") == ("", "rc=0\n")
    assert shell(somagent, "(sleep 0.1; somagent --help; echo rc=$? >&2) | true")[1] in {"rc=0\n", ""}


@pytest.mark.parametrize(
    "locale", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_a_poor_locale_gets_plain_signs(somagent: Shell, locale: dict[str, str]) -> None:
    name = somagent.capsule("plain", FAILS)
    ran = somagent("run", name, "--as", "zoë", **locale)
    assert ran.code == 1
    assert "x a  Failed" in ran.out
    assert somagent("runs", **locale).out.startswith("x r-")
    assert somagent("show", "last", "--output", "json").json["submitter"] == "zoë"


def test_arguments_that_are_no_text_are_refused_in_one_line(somagent: Shell) -> None:
    name = somagent.capsule("texts", "  inputs: { who: { type: string } }\n" + WORKS)
    for line in (f"somagent run {name} --input who=$'\\xff'", f"somagent run {name} --as $'\\xff'"):
        out, err = shell(somagent, f"{line}; echo rc=$?")
        assert out == "rc=2\n"
        assert err.endswith("is not text in UTF-8\n")
        assert err.count("\n") == 1


def test_what_steps_say_sends_no_commands_to_the_terminal(somagent: Shell) -> None:
    bell = "\x1b]0;title\x07\x1b[31m"
    name = somagent.capsule(
        "rude",
        """\
  inputs: { who: { type: string } }
  steps:
    a:
      script:
        run: |
          printf '\\033]0;title\\007\\033[31mred\\n' | tee log
          printf x > "$(printf 'f\\033[31m')"
          printf '{"said":"\\\\u001b[31m"}' > "$SOMAGENT_OUTPUT.json"
          echo 'said="\\u001b[31mred"' >> "$SOMAGENT_OUTPUT"
      outputs: { said: { type: string }, files: { type: artifact, path: . } }
  outputs: { said: "${{ steps.a.said }}", files: "${{ steps.a.files }}" }
""",
    )
    somagent.write(f"{bell}.capsule.yaml", "spec: {}\n")
    printed = [
        somagent("run", name, "--input", f"who={bell}"),
        somagent("show", "last"),
        somagent("logs", "last"),
        somagent("artifacts", "last"),
        somagent("check", f"{bell}.capsule.yaml"),
        somagent("show", bell),
        somagent("run", name, "--input", f"{bell}=1"),
        somagent("artifacts", "last", bell),
        somagent("run", f"{bell}.capsule.yaml"),
        somagent("runs", bell),
    ]
    for ended in printed:
        assert ended.out + ended.err
        assert not {"\x1b", "\x07"}.intersection(ended.out + ended.err)
    assert "red" in printed[2].out


def test_standard_output_holds_json_only_whatever_plug_ins_print(somagent: Shell) -> None:
    folder = somagent.folder / "packages"
    somagent.write("packages/chatty.py", "print('hello from a plug-in')\nOPERATOR = None\n")
    somagent.write("packages/chatty-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: chatty\nVersion: 1.0\n")
    somagent.write("packages/chatty-1.0.dist-info/entry_points.txt", "[somagent.operators]\nchatty = chatty:OPERATOR\n")
    name = somagent.capsule("clean", WORKS)
    for command in (["run"], ["plan"], ["check"]):
        ended = somagent(*command, name, "--output", "json", PYTHONPATH=str(folder))
        assert ended.code == 0
        assert ended.json
        assert "hello from a plug-in" in ended.err
        assert "warning: " in ended.err
        assert "chatty" in ended.err.partition("warning: ")[2]
    resumed = somagent("resume", "last", "--output", "json", PYTHONPATH=str(folder))
    assert resumed.json["phase"] == "Succeeded"
    assert "warning: " in resumed.err


@pytest.mark.parametrize("command", ["run", "plan"])
def test_mistakes_are_data_where_json_is_asked_for(somagent: Shell, command: str) -> None:
    name = somagent.capsule("wrong", "  steps:\n    a: { script: { run: 'true' }, neds: [] }\n")
    ended = somagent(command, name, "--output", "json")
    assert ended.code == 1
    assert (ended.json["file"], ended.json["ok"]) == (name, False)
    assert ended.json["diagnostics"] == somagent("check", name, "--output", "json").json[0]["diagnostics"]
    assert ended.err.startswith(f"error: `{name}` has mistakes")


def test_a_plan_shows_expressions_as_they_are_written(somagent: Shell) -> None:
    name = somagent.capsule(
        "guards",
        """\
  inputs: { a: { type: string }, b: { type: string } }
  steps:
    a:
      if: inputs.a in [inputs.b, "[/red]boom"]
      script: { run: 'true' }
    b:
      if: inputs.a in [inputs.b]
      script: { run: 'true' }
""",
    )
    planned = somagent("plan", name)
    assert planned.code == 0
    assert 'if inputs.a in [inputs.b, "[/red]boom"];' in planned.out
    assert "if inputs.a in [inputs.b];" in planned.out


def test_an_output_that_only_looks_like_an_artifact_is_shown_as_it_is(somagent: Shell) -> None:
    name = somagent.capsule(
        "looks",
        """\
  steps:
    a:
      script: { run: 'echo "made={\\"artifact\\": \\"rel-1.2\\"}" >> "$SOMAGENT_OUTPUT"' }
      outputs: { made: { type: object, properties: { artifact: { type: string } } } }
  outputs: { made: "${{ steps.a.made }}" }
""",
    )
    ran = somagent("run", name)
    assert ran.code == 0
    assert 'made = {"artifact": "rel-1.2"}\n' in ran.out


def _held_by_permissions(somagent: Shell, *arguments: str) -> tuple[int, str]:
    """A command of somebody whom the permissions of files hold, even when the tests are root's."""
    weak = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    if weak and shutil.which("setpriv") is None:
        pytest.skip("root needs `setpriv` (util-linux) to be held by permissions")
    done = subprocess.run(
        [*weak, str(COMMAND), *arguments],
        cwd=somagent.folder,
        capture_output=True,
        text=True,
        timeout=60,
        env=somagent.environment(),
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_a_data_directory_that_is_not_ours_is_one_message(somagent: Shell) -> None:
    somagent("run", somagent.capsule("mine", WORKS))
    data = somagent.folder / ".somagent"
    for folder, command in (
        (data, ["runs"]),
        (data, ["run", "mine.capsule.yaml"]),
        (data / "reports", ["report", "last"]),
    ):
        mode = stat.S_IMODE(folder.stat().st_mode)
        folder.chmod(0)
        try:
            code, said = _held_by_permissions(somagent, *command)
        finally:
            folder.chmod(mode)
        assert code == 5
        assert said.startswith("error: cannot ")
        assert str(folder.relative_to(somagent.folder)) in said
        assert ("--to FILE" if command == ["report", "last"] else "--data-dir DIR") in said
        assert said.count("\n") == 1


def test_a_journal_that_may_not_be_written_is_one_message(somagent: Shell) -> None:
    somagent("run", somagent.capsule("mine", WORKS))
    files = [somagent.folder / ".somagent", *(somagent.folder / ".somagent").glob("journal.sqlite3*")]
    modes = [file.stat().st_mode for file in files]
    for file in files:
        file.chmod(0o500)
    try:
        code, said = _held_by_permissions(somagent, "cancel", "last")
    finally:
        for file, mode in zip(files, modes, strict=True):
            file.chmod(mode)
    assert code == 5
    assert "check the permissions" in said
    assert "--data-dir DIR" in said
    assert said.count("\n") == 1


def test_files_that_cannot_be_written_are_one_message_with_a_way_out(somagent: Shell) -> None:
    somagent("run", somagent.capsule("mine", WORKS))
    report = somagent("report", "last", "--to", "/proc/x.html")
    assert (report.code, report.err.count("\n")) == (2, 1)
    assert "/proc/x.html" in report.err
    lease = somagent.folder / ".somagent" / "lease"
    lease.unlink()
    lease.mkdir()
    resumed = somagent("run", "mine.capsule.yaml")
    assert resumed.code == 5
    assert str(lease) in resumed.err
    assert "--data-dir" in resumed.err


def test_a_current_folder_that_is_gone_is_said(somagent: Shell) -> None:
    out, err = shell(somagent, "mkdir gone && cd gone && rmdir ../gone && somagent runs; echo rc=$?")
    assert out == "rc=2\n"
    assert err == "error: the current folder is gone; change to one that is there (`cd`)\n"


def test_the_way_on_can_be_run_as_it_is_printed(somagent: Shell) -> None:
    name = somagent.capsule("again", FAILS)
    ran = somagent("run", name, "--data-dir", "other runs")
    (hint,) = [line.partition(": ")[2] for line in ran.out.splitlines() if line.strip().startswith("logs: ")]
    assert "--data-dir 'other runs'" in hint
    assert shell(somagent, hint)[0] == "a | here\n"
    (somagent.folder / "bin").mkdir()
    (somagent.folder / "bin" / "somagent").symlink_to(COMMAND)
    out, _ = shell(somagent, f"bin/somagent run {name}", PATH="/usr/bin:/bin")
    (hint,) = [line.partition(": ")[2] for line in out.splitlines() if line.strip().startswith("logs: ")]
    assert hint.startswith("bin/somagent logs r-")
    assert shell(somagent, hint, PATH="/usr/bin:/bin")[0] == "a | here\n"


def test_only_so_many_attempts_are_at_work_at_once_as_is_asked_for(somagent: Shell) -> None:
    name = somagent.capsule(
        "many",
        """\
  inputs: { names: { type: array, maxItems: 12, items: { type: integer }, default: NAMES } }
  steps:
    a:
      forEach: ${{ inputs.names }}
      maxParallel: 12
      script:
        run: |
          date +%s%N > "$MARK"; sleep 1; date +%s%N >> "$MARK"
        env: { MARK: "FOLDER/${{ string(item) }}" }
""".replace("FOLDER", str(somagent.folder / "marks")).replace("NAMES", str([*range(12)])),
    )
    (somagent.folder / "marks").mkdir()

    def most_at_once(parallel: str) -> int:
        assert somagent("run", name, "--parallel", parallel).code == 0
        spans = [tuple(map(int, path.read_text().split())) for path in (somagent.folder / "marks").iterdir()]
        return max(sum(start <= at < end for start, end in spans) for at, _ in spans)

    assert most_at_once("12") == 12
    assert most_at_once("3") == 3
    assert somagent("run", name, "--parallel", "0").code == 2


def test_make_run_takes_a_path_with_spaces(repository: Path) -> None:
    line = subprocess.run(
        ["make", "-n", "-s", "run", "REPO=../repo sp"], cwd=repository, capture_output=True, text=True, check=True
    ).stdout.splitlines()[-1]
    words = subprocess.run(
        ["bash", "-c", line.replace(".venv/bin/somagent", "printf '%s\\n'")],
        capture_output=True,
        text=True,
        check=True,
        env={"REPO": "../repo sp", "PATH": os.environ["PATH"]},
    ).stdout.splitlines()
    assert words == ["run", "repo-health", "--input", "repo=../repo sp"]
