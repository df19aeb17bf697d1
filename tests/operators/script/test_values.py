"""Values reach a script through variables and a file, never through its text; little else does."""

import json
import os
import sys

import pytest

from somagent.operators.runner.records import StepKey

INPUT = {"input": {"type": "artifact", "path": "input.json"}}
SEEN = {"seen": {"type": "string"}}
SHOW = 'cp "$SOMAGENT_INPUT" input.json'


def test_strings_are_raw_and_all_else_is_json(script):
    env = {"S": 'a b\n"c" $(date)', "N": 1.5, "I": 3, "B": True, "NOTHING": None, "L": [1, "x"], "O": {"a": {"b": "ü"}}}
    text = 'for name in S N I B NOTHING L O; do printf "%s\\0" "${!name}"; done > all\n' + SHOW
    outputs = script(text, {"all": {"type": "artifact", "path": "all"}, **INPUT}, env=env)
    assert script.text(outputs["all"]).split("\0")[:-1] == [
        'a b\n"c" $(date)',
        "1.5",
        "3",
        "true",
        "null",
        '[1,"x"]',
        '{"a":{"b":"ü"}}',
    ]
    assert json.loads(script.text(outputs["input"])) == env


def test_python_gets_the_same(script):
    text = "import json, os\nopen('all', 'w').write(os.environ['S'] + json.loads(os.environ['L'])[1])"
    outputs = script(text, {"all": {"type": "artifact", "path": "all"}}, shell="python", env={"S": "a", "L": [1, "b"]})
    assert script.text(outputs["all"]) == "ab"


def test_nothing_of_the_surrounding_environment_reaches_a_script_but_path(script):
    os.environ["SECRET_TOKEN"] = "hush"
    try:
        outputs = script("env -0 > all", {"all": {"type": "artifact", "path": "all"}}, env={"MINE": "1"})
    finally:
        del os.environ["SECRET_TOKEN"]
    names = {line.partition("=")[0] for line in script.text(outputs["all"]).split("\0") if line}
    assert names - {"_", "SHLVL", "PWD", "OLDPWD"} == {
        "PATH",
        "LANG",
        "LC_ALL",
        "TZ",
        "HOME",
        "TMPDIR",
        "PYTHONDONTWRITEBYTECODE",
        "MINE",
        "SOMAGENT_INPUT",
        "SOMAGENT_OUTPUT",
        "SOMAGENT_RUN",
        "SOMAGENT_STEP",
        "SOMAGENT_IDEMPOTENCY_KEY",
        "SOMAGENT_ATTEMPT",
    }


def test_a_script_knows_its_run_step_key_and_attempt(script):
    text = 'echo "seen=$SOMAGENT_RUN $SOMAGENT_STEP $SOMAGENT_IDEMPOTENCY_KEY $SOMAGENT_ATTEMPT" >> "$SOMAGENT_OUTPUT"'
    step = script.step(SEEN, attempt=3, key=StepKey("r1", "job", 4))
    assert script(text, SEEN, step=step)["seen"] == "r1 job r1/job/4 3"


def test_python3_is_the_python_that_somagent_runs_on(script):
    text = "python3 -c 'import sys; print(\"seen=\" + sys.executable)' >> $SOMAGENT_OUTPUT"
    assert os.path.realpath(script(text, SEEN)["seen"]) == os.path.realpath(sys.executable)


def test_the_working_folder_is_empty_and_home_and_tmp_are_elsewhere(script):
    text = """
test -z "$(ls -A)$(ls -A "$HOME")$(ls -A "$TMPDIR")"
touch ~/x "$(mktemp)"
echo "seen=$(ls)" >> $SOMAGENT_OUTPUT
"""
    assert script(text, SEEN) == {"seen": ""}


def test_stdin_is_empty(script):
    assert script('echo "seen=[$(cat)]" >> $SOMAGENT_OUTPUT', SEEN) == {"seen": "[]"}


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "LD_PRELOAD",
        "DYLD_INSERT_LIBRARIES",
        "PYTHONPATH",
        "BASH_ENV",
        "SOMAGENT_IDEMPOTENCY_KEY",
        "HOME",
        "IFS",
        "1A",
        "A-B",
        "A\n",
        "",
    ],
)
def test_a_variable_that_decides_which_code_runs_cannot_be_declared(script, name):
    with pytest.raises(Exception, match=r"env|regex"):
        script("true", env={name: "x"})


def test_a_value_too_large_for_a_variable_is_in_the_file_and_the_log_says_so(script):
    big = "x" * 200_000
    outputs = script('test -z "${BIG+set}"; test "$SMALL" = y; ' + SHOW, INPUT, env={"BIG": big, "SMALL": "y"})
    assert json.loads(script.text(outputs["input"])) == {"BIG": big, "SMALL": "y"}
    assert "[somagent] env `BIG` is only in the file $SOMAGENT_INPUT: it has 200,004 bytes" in script.log


def test_a_script_that_misses_a_value_too_large_for_a_variable_is_told_where_it_is(script):
    failure = script.failure('echo "$BIG"', env={"BIG": "x" * 200_000})
    assert "BIG: unbound variable" in failure.message
    assert "(env `BIG` is only in the file $SOMAGENT_INPUT: it has 200,004 bytes" in failure.message


def test_many_values_too_large_together_are_in_the_file(script):
    env = {f"V{number}": "x" * 100_000 for number in range(30)}
    outputs = script(SHOW, INPUT, env=env)
    assert json.loads(script.text(outputs["input"])) == env
    assert "more than is left for all variables" in script.log


def test_a_nul_character_cannot_be_in_a_variable(script):
    outputs = script(SHOW, INPUT, env={"N": "a\0b"})
    assert json.loads(script.text(outputs["input"])) == {"N": "a\0b"}
    assert "it contains a NUL character" in script.log


def test_an_artifact_is_the_path_of_a_read_only_copy(script, tmp_path):
    source = tmp_path / "src"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "run.sh").write_text("echo hi")
    (source / "sub" / "run.sh").chmod(0o755)
    tree = script.contents.put_path(source, "src")
    one = script.contents.put_path(source / "sub" / "run.sh", "run.sh")
    env = {"TREE": tree, "FILES": [one, {"deep": one}]}
    text = (
        """
stat -c %a "$TREE" "$TREE"/sub "$TREE"/sub/run.sh | xargs > modes
python3 -c "import json, os; a, b = json.loads(os.environ['FILES']); assert a == b['deep']; print(open(a).read())"
"$TREE"/sub/run.sh
cp -r "$TREE" mine; chmod -R u+w mine; touch mine/sub/new
"""
        + SHOW
    )
    outputs = script(text, {"modes": {"type": "artifact", "path": "modes"}, **INPUT}, env=env)
    assert script.text(outputs["modes"]) == "555 555 555\n"
    assert json.loads(script.text(outputs["input"]))["TREE"].endswith("/src")
    assert script.log == "echo hi\nhi\n"


def test_a_copy_that_a_script_wrote_to_is_not_what_the_next_one_reads(script, tmp_path):
    (tmp_path / "a.txt").write_text("good")
    artifact = script.contents.put_path(tmp_path / "a.txt", "a.txt")
    script('chmod u+w "$A"; echo bad > "$A"', env={"A": artifact})
    script('test "$(cat "$A")" = good', env={"A": artifact})


def test_included_files_are_below_one_folder_and_python_imports_from_it(script):
    files = {"lib/greet.py": "HI = 'hello'\n", "lib/data.txt": "d", "other.py": "X = 1", "library.py": ""}
    text = (
        "import os\nfrom lib import greet\nroot = os.environ['SOMAGENT_INCLUDE']\n"
        "seen = sorted(os.listdir(root)) + sorted(os.listdir(root + '/lib'))\n"
        "open(os.environ['SOMAGENT_OUTPUT'], 'a').write('seen=' + greet.HI + str(seen))\n"
    )
    outputs = script(text, SEEN, shell="python", include=["./lib/"], files=files)
    assert outputs["seen"] == "hello['lib', 'data.txt', 'greet.py']"
    assert (
        script('cat "$SOMAGENT_INCLUDE"/other.py; python3 -c "import other"', include=["other.py"], files=files) == {}
    )


def test_python_sees_neither_the_scripts_folder_nor_the_working_folder_nor_the_users_packages(script):
    text = """
import os, site, sys
assert not site.ENABLE_USER_SITE
assert "" not in sys.path and os.getcwd() not in sys.path
assert not [path for path in sys.path if path.endswith("/script")]
"""
    assert script(text, shell="python") == {}


def test_an_image_is_said_to_be_ignored_here(script):
    script("true", image="python:3.13")
    assert "[somagent] image `python:3.13` is not used: the script runs on this machine" in script.log
