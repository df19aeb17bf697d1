"""What a run made can be had: listed by name, and copied as files of one's own."""

import os

from somagent_shell import Shell

SPEC = """\
  steps:
    site:
      script:
        run: |
          mkdir -p pages/deep && echo index > pages/index.html && echo deep > pages/deep/more.html
          ln -s index.html pages/start.html
          printf '#!/bin/sh\\necho built' > build.sh && chmod +x build.sh
      outputs:
        pages: { type: artifact, path: pages }
        program: { type: artifact, path: build.sh }
    parts:
      forEach: ${{ ["a", "b"] }}
      script: { run: 'echo "$PART" > part.txt', env: { PART: "${{ item }}" } }
      outputs: { part: { type: artifact, path: part.txt } }
  outputs:
    site: ${{ steps.site.pages }}
    parts: ${{ steps.parts.map(p, p.part) }}
"""


def test_the_artifacts_of_a_run_and_of_its_steps_are_listed_by_name(somagent: Shell) -> None:
    run = somagent("run", somagent.capsule("site", SPEC))
    assert "copy: somagent artifacts r-" in run.out
    listed = somagent("artifacts", "last", "--output", "json").json
    assert [one["name"] for one in listed] == [
        *("parts.0", "parts.1", "site"),
        *("site.pages", "site.program", "parts/0.part", "parts/1.part"),
    ]
    assert listed[2] == {**listed[3], "name": "site"}
    assert (listed[2]["kind"], listed[2]["file"], listed[2]["size"]) == ("folder", "pages", 11)
    assert somagent("artifacts", "last").out.splitlines()[-1].startswith("parts/1.part  file     2 bytes  sha256:")


def test_a_copy_is_ones_own_and_overwrites_nothing(somagent: Shell) -> None:
    somagent("run", somagent.capsule("site", SPEC))
    assert somagent("artifacts", "last", "site", "--to", "out/here").out == "out/here/pages\n"
    pages = somagent.folder / "out" / "here" / "pages"
    assert (pages / "deep" / "more.html").read_text() == "deep\n"
    assert (pages / "start.html").readlink().name == "index.html"
    assert all(path.stat().st_mode & 0o200 for path in (pages, pages / "deep", pages / "index.html"))
    again = somagent("artifacts", "last", "site", "--to", "out/here")
    assert (again.code, "is there already" in again.err) == (2, True)
    copied = somagent("artifacts", "last", "site.program", "--output", "json").json
    assert copied == {"name": "site.program", "path": "build.sh"}
    assert os.access(somagent.folder / "build.sh", os.X_OK)
    assert "did you mean `site.pages`?" in somagent("artifacts", "last", "site.page").err


def test_a_damaged_artifact_is_not_handed_out(somagent: Shell) -> None:
    somagent("run", somagent.capsule("site", SPEC))
    digest = somagent("artifacts", "last", "--output", "json").json[0]["digest"].removeprefix("sha256:")
    stored = somagent.folder / ".somagent" / "contents" / "objects" / digest[:2] / digest[2:]
    stored.chmod(0o600)
    stored.write_text("c\n")
    damaged = somagent("artifacts", "last", "parts.0")
    assert (damaged.code, digest in damaged.err) == (2, True)
    assert not (somagent.folder / "part.txt").exists()


def test_a_run_without_artifacts_says_so(somagent: Shell) -> None:
    somagent("run", somagent.capsule("bare", "  steps:\n    a: { script: { run: 'true' } }\n"))
    assert somagent("artifacts", "last").out == "the run has made no artifacts\n"
    assert somagent("artifacts", "last", "--output", "json").json == []
