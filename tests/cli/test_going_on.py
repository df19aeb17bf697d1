"""Ways to go on with what has ended: `retry`, with another plan or other inputs, and `rerun`."""

from somagent_shell import Shell

SPEC = """\
  inputs: {{ size: {{ type: integer, default: 1 }} }}
  steps:
    made: {{ script: {{ run: 'echo "at=$(date +%N)" >> "$SOMAGENT_OUTPUT"' }}, outputs: {{ at: {{ type: string }} }} }}
    asks: {{ script: {{ run: 'test "$SIZE" -gt 1', env: {{ SIZE: "${{{{ inputs.size }}}}" }} }} }}
    said: {{ script: {{ run: 'echo {word} > "$SOMAGENT_OUTPUT.x"', env: {{ AT: "${{{{ steps.made.at }}}}" }} }} }}
  outputs: {{ at: "${{{{ steps.made.at }}}}" }}
"""


def test_another_input_and_a_changed_capsule_keep_what_they_do_not_touch(somagent: Shell) -> None:
    name = somagent.capsule("ways", SPEC.format(word="one"))
    failed = somagent("run", name, "--output", "json").json
    assert failed["steps"]["asks"]["phase"] == "Failed"
    said = somagent("retry", "last", "--input", "size=2", "--dry-run", "--output", "json").json
    assert said["kept"] == ["made", "said"]
    assert said["again"] == [{"step": "asks", "because": "it, or an input that it reads, has changed"}]
    assert len(somagent("runs", "--output", "json").json) == 1
    mended = somagent("retry", "last", "--input", "size=2", "--output", "json").json
    assert (mended["phase"], mended["retryOf"], mended["inputs"]) == ("Succeeded", failed["id"], {"size": 2})
    assert mended["steps"]["made"]["outputs"] == failed["steps"]["made"]["outputs"]

    somagent.capsule("ways", SPEC.format(word="two"))
    changed = somagent("retry", "last", "--with-plan", "new")
    assert "1 of 3 steps run again\n  said  it, or an input that it reads, has changed\n" in changed.out
    latest = somagent("show", "last", "--output", "json").json
    assert (latest["phase"], latest["outputs"], latest["inputs"]) == ("Succeeded", mended["outputs"], {"size": 2})

    nothing = somagent("retry", "last")
    assert nothing.code == 2
    assert "nothing of" in nothing.err
    assert f"somagent rerun {latest['id']}" in nothing.err
    anew = somagent("rerun", "last", "--output", "json").json
    assert anew["outputs"] != latest["outputs"]
    assert "retryOf" not in anew


def test_a_new_plan_must_be_found_and_be_without_mistakes(somagent: Shell) -> None:
    name = somagent.capsule("ways", SPEC.format(word="one"))
    somagent("run", name)
    somagent.write(name, "nonsense: [")
    assert "has mistakes and was not run" in somagent("retry", "last", "--with-plan", "new").err
    (somagent.folder / name).unlink()
    gone = somagent("retry", "last", "--with-plan", "new")
    assert (gone.code, "is not at" in gone.err, "--with-plan FILE" in gone.err) == (2, True, True)
    assert somagent("retry", "last", "--with-plan", name).code == 2
    assert "did you mean `asks`?" in somagent("retry", "last", "--from", "aks").err
    assert "no input `sise`; did you mean `size`?" in somagent("retry", "last", "--input", "sise=3").err
    assert len(somagent("runs", "--output", "json").json) == 1


def test_a_failed_finally_alone_is_run_again(somagent: Shell) -> None:
    name = somagent.capsule(
        "ways",
        "  inputs: { file: { type: string, format: path } }\n  steps: { a: { script: { run: 'true' } } }\n"
        '  finally: { tell: { script: { run: \'test -e "$F"\', env: { F: "${{ inputs.file }}" } } } }\n',
    )
    assert somagent("run", name, "--input", "file=there").code == 1
    somagent.write("there", "")
    again = somagent("retry", "last")
    assert (again.code, "0 of 1 steps run again" in again.out) == (0, True)
