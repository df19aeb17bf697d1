"""The command line: every command with its arguments, in one place, for help, for completion and for the docs."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from somagent.cli.exits import UserError
from somagent.workflows.directories import DATA_DIRECTORY

TEMPLATES = ("minimal", "repository-job", "review-flow", "fan-out")  # files in `templates`
_TEXTS = ("input", "answer", "person", "comment")  # kept with runs; all else are names of files, runs and steps
_Adder = Callable[..., argparse.ArgumentParser]

EPILOG = """exit codes:
  0 done   1 failed, or the capsule has errors   2 wrong command line or input   3 parked, waits for people
  4 cancelled   5 data directory held, damaged, full or not permitted   130 stopped with Ctrl-C
"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in the form of all other errors."""

    def error(self, message: str) -> NoReturn:
        """Ends with exit code 2."""
        from somagent.cli.printing import visible  # noqa: PLC0415  a mistake may show what was typed

        self.exit(2, f"error: {visible(_with_nearest(message))}\n  try: {self.prog} --help\n")


def _with_nearest(message: str) -> str:
    """The message about a word that is none of a list, with the one that is near to it in place of the list."""
    from somagent.governance.documents import nearest  # noqa: PLC0415

    match = re.fullmatch(r"(.*invalid choice: '(.*)') \(choose from (.*)\)", message, re.DOTALL)
    near = nearest(match[2], re.findall(r"[\w-]+", match[3])) if match is not None else None
    return f"{match[1]}; did you mean `{near}`?" if match is not None and near else message


def build_parser() -> argparse.ArgumentParser:
    """The parser; each command sets `command` to the name of its module in `commands`."""
    parser = _Parser(
        prog="somagent",
        description="Governed agent work as code: check, plan and run Task Capsules.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    add: _Adder = commands.add_parser
    _author(add)
    _packages(add)
    _run(add)
    _look(add)
    _keep(add)
    _decide(add)
    _tools(add)
    return parser


def _author(add: _Adder) -> None:
    new = add("new", help="write a working capsule and its tests, to begin with")
    new.add_argument("name", nargs="?", default="hello", help="name of the capsule (default: hello)")
    new.add_argument("--template", choices=TEMPLATES, default="minimal", help="what it begins as (default: minimal)")
    new.add_argument("--list", action="store_true", help="list the templates and what each does")
    new.add_argument("--force", action="store_true", help="overwrite files that are there")
    check = add("check", help="find every mistake in capsules, their tests and constitutions")
    check.add_argument(
        "files", nargs="*", metavar="FILE", help="file or folder (default: this folder); `-` reads standard input"
    )
    _format(check)
    check.add_argument("--fix", action="store_true", help="mend what can only be meant in one way, in the files")
    check.add_argument("--diff", action="store_true", help="show what `--fix` would change, and write nothing")
    check.add_argument("--unsafe-fixes", action="store_true", help="with these: take guesses (`did you mean`) too")
    check.add_argument("--deny-warnings", action="store_true", help="exit with 1 for warnings too")
    _locked(check)
    _constitution(check)
    _output(check)
    fmt = add("fmt", help="give capsules, their tests and constitutions their one layout")
    fmt.add_argument(
        "files", nargs="*", metavar="FILE", help="file or folder (default: this folder); `-` reads standard input"
    )
    fmt.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file has another layout")
    fmt.add_argument("--diff", action="store_true", help="write nothing; show what would change, and exit as `--check`")
    plan = add("plan", help="show what a capsule would do, in which order, and what the constitution says")
    plan.add_argument("capsule", metavar="CAPSULE", help="file, or name of a library capsule")
    plan.add_argument("--types", action="store_true", help="show the type of every input, output, item and expression")
    _format(plan)
    _locked(plan)
    _constitution(plan)
    _output(plan)

    _compile(add)

    test = add("test", help="run the tests beside a capsule, with declared answers for what is outside")
    test.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="a file of tests, a capsule, a folder, or a library capsule's name (default: this folder)",
    )
    test.add_argument("-k", dest="pattern", default="", metavar="TEXT", help="only cases with this in their name")
    test.add_argument("--list", action="store_true", help="list the cases, and run none")
    test.add_argument("--real", action="store_true", help="take no answers but people's decisions: run every step")
    test.add_argument("--update-snapshots", action="store_true", help="write the records of runs anew")
    test.add_argument("--min-coverage", type=_percent, metavar="N", help="fail below N percent of a capsule's ways")
    test.add_argument("--junit", metavar="FILE", help="write the results as JUnit XML too")
    _constitution(test)
    _output(test)

    graph = add("graph", help="draw the steps of a capsule: Mermaid, DOT or SVG")
    graph.add_argument("capsule", metavar="CAPSULE", help="file, or name of a library capsule")
    graph.add_argument(
        "--format",
        choices=["mermaid", "dot", "svg"],
        help="how it is drawn (default: what the name after `-o` says, else mermaid)",
    )
    graph.add_argument("-o", "--to", metavar="FILE", help="where to (default: standard output)")
    _constitution(graph)


def _compile(add: _Adder) -> None:
    command = add("compile", help="write the objects that another engine runs a capsule from")
    command.add_argument("capsule", metavar="CAPSULE", help="file, or name of a library capsule")
    command.add_argument("--target", choices=["argo", "airflow"], required=True, help="the engine")
    command.add_argument(
        "-o", "--to", metavar="PATH", help="where to: a file, of airflow the folder of DAGs (default: standard output)"
    )
    command.add_argument("--name", metavar="NAME", help="argo: of the WorkflowTemplate (default: the capsule's)")
    command.add_argument(
        "--namespace",
        metavar="NAME",
        help="of all objects (default: $SOMAGENT_NAMESPACE, else default; airflow: that of its Kubernetes connection)",
    )
    command.add_argument(
        "--image",
        metavar="IMAGE",
        help="of the step runner in pods (default: $SOMAGENT_IMAGE); airflow: without one, steps are processes",
    )
    command.add_argument(
        "--runs", metavar="URL", help="the object store of runs, as pods or workers reach it (default: $SOMAGENT_RUNS)"
    )
    command.add_argument(
        "--runs-secret",
        metavar="NAME",
        help="pods: the Secret with the store's credentials, as variables (default: $SOMAGENT_RUNS_SECRET)",
    )
    command.add_argument(
        "--sizes", action="store_true", default=None, help="argo: say on standard error how near it is to Argo's limits"
    )
    command.add_argument(
        "--no-fuse",
        action="store_true",
        default=None,
        help="argo: give every step a pod of its own, also where small ones could share",
    )
    command.add_argument(
        "--step-runner",
        metavar="COMMAND",
        help="airflow: how workers start the step runner (default: $SOMAGENT_STEP, else that of this installation)",
    )
    command.add_argument(
        "--pool", metavar="NAME", help="airflow: of all tasks (default: $SOMAGENT_AIRFLOW_POOL, else default_pool)"
    )
    _format(command)
    _locked(command)
    _constitution(command)


def _packages(add: _Adder) -> None:
    lock = add("lock", help="pin what capsules use to versions and digests, in `capsule.lock` beside them")
    lock.add_argument("capsules", nargs="*", metavar="CAPSULE", help="file (default: the capsules of this folder)")
    lock.add_argument(
        "--upgrade",
        action="append",
        default=[],
        metavar="NAME",
        help="choose this package anew, `namespace/name` or `all`; the others keep their versions",
    )
    _output(lock)
    use = add("add", help="use a package in a capsule: writes it under `uses`, and locks it")
    use.add_argument("package", metavar="PACKAGE", help="`namespace/name`, or with a range: `namespace/name@^1.2`")
    use.add_argument("capsule", nargs="?", metavar="CAPSULE", help="file (default: the only capsule of this folder)")
    use.add_argument("--as", dest="alias", metavar="ALIAS", help="what steps call it (default: the package's name)")


def _run(add: _Adder) -> None:
    run = add("run", help="run a capsule")
    run.add_argument("capsule", metavar="CAPSULE", help="file, or name of a library capsule")
    _inputs(run, "")
    run.add_argument("--as", dest="person", metavar="NAME", help="who starts the run (default: your account)")
    _format(run)
    _locked(run)
    _constitution(run)
    _detach(run)
    _working(run)
    _place(run)
    _parallel(run)
    resume = add("resume", help="go on with a run that was interrupted or is parked")
    _run_id(resume)
    _working(resume)
    _parallel(resume)
    retry = add("retry", help="run again what failed or changed, in a new run that takes over the rest")
    _run_id(retry)
    retry.add_argument("--as", dest="person", metavar="NAME", help="who starts it (default: who started the old run)")
    retry.add_argument("--from", dest="step", default="", metavar="STEP", help="this step too, and what comes after it")
    retry.add_argument(
        "--with-plan",
        metavar="new|FILE",
        help="the capsule as it stands now, where the run found it or in FILE (default: the run's own plan)",
    )
    _inputs(retry, "instead of the one that the run had")
    retry.add_argument("--dry-run", action="store_true", help="say what would run again and why, and start nothing")
    _constitution(retry)
    _detach(retry)
    _working(retry)
    _place(retry)
    _parallel(retry)
    rerun = add("rerun", help="run again from the beginning: the same plan and inputs, nothing taken over")
    _run_id(rerun)
    rerun.add_argument("--as", dest="person", metavar="NAME", help="who starts it (default: who started the old run)")
    _detach(rerun)
    _working(rerun)
    _place(rerun)
    _parallel(rerun)

    serve = add("serve", help="stay, and work on whatever is submitted, until it is told to stop")
    serve.add_argument(
        "--engine", action="store_true", required=True, help="work on every run of the data directory, oldest first"
    )
    serve.add_argument(
        "--grace", default="10s", metavar="DURATION", help="for steps at work when it is to stop (default: 10s)"
    )
    serve.add_argument(
        "--lease",
        default="10s",
        metavar="DURATION",
        help="when it gives no sign for so long, another one takes over (default: 10s)",
    )
    serve.add_argument(
        "--remind",
        default="1d",
        metavar="DURATION",
        help="how often it says whom runs wait for, since when and until when (default: 1d)",
    )
    _store(serve)
    _parallel(serve)


def _detach(command: argparse.ArgumentParser) -> None:
    command.add_argument("--detach", action="store_true", help="submit it only, for `somagent serve --engine`")


def _inputs(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"an input{what and ' ' + what}; text as it is, all else as JSON",
    )
    command.add_argument("--inputs", metavar="FILE", help="inputs as a YAML or JSON file; what `--input` gives wins")


def _look(add: _Adder) -> None:
    runs = add("runs", help="list the runs, newest first")
    runs.add_argument("--all", action="store_true", help="list the runs inside runs as well: those of used capsules")
    runs.add_argument("--waiting", action="store_true", help="list what people are asked: who, since when, until when")
    runs.add_argument("--limit", type=_count, default=0, metavar="N", help="at most N (default: all)")
    _kept(runs)
    _output(runs)
    show = add("show", help="show a run: its steps, what they gave, and why they failed")
    _run_or_last(show)
    show.add_argument(
        "--watch", action="store_true", help="follow it until it ends or waits for people; exit by its phase"
    )
    _kept(show)
    _output(show)
    logs = add("logs", help="print what steps wrote")
    _run_or_last(logs)
    logs.add_argument("step", nargs="?", metavar="STEP", help="of this step only; `scan/build` is inside a capsule")
    logs.add_argument("--follow", action="store_true", help="go on until the run ends or waits for people")
    _kept(logs)
    _output(logs)
    artifacts = add("artifacts", help="list the files and folders that a run made, or copy one")
    _run_or_last(artifacts)
    artifacts.add_argument("name", nargs="?", metavar="NAME", help="copy this one; as the list names it")
    artifacts.add_argument("--to", default=".", metavar="FOLDER", help="where the copy goes (default: this folder)")
    _kept(artifacts)
    _output(artifacts)
    report = add("report", help="write a run's report: one HTML file")
    _run_or_last(report)
    report.add_argument("--to", metavar="FILE", help="where to (default: reports/RUN.html in the data directory)")
    _kept(report)
    _output(report)


def _decide(add: _Adder) -> None:
    for name, help_ in (("approve", "let a step that waits for people go on"), ("reject", "stop a step that waits")):
        decide = add(name, help=help_)
        _run_id(decide)
        decide.add_argument("step", metavar="STEP", help="step id, STEP/ITEM of a fan-out, STEP/STEP in a capsule")
        decide.add_argument("--as", dest="person", metavar="NAME", help="who decides (default: your account)")
        if name == "approve":
            decide.add_argument(
                "--answer",
                action="append",
                default=[],
                metavar="NAME=VALUE",
                help="an output that the step asks for; text as it is, all else as JSON",
            )
        decide.add_argument("--comment", default="", metavar="TEXT", help="why; kept with the decision")
        decide.add_argument("--yes", action="store_true", help="in a terminal: do not show the evidence and ask first")
        decide.add_argument("--no-resume", action="store_true", help="write it down only; do not go on with the run")
        _working(decide)
        _parallel(decide)
    cancel = add("cancel", help="stop a run; what is recorded stays")
    _run_id(cancel)
    cancel.add_argument("--as", dest="person", metavar="NAME", help="who cancels (default: your account)")
    _working(cancel)


def _tools(add: _Adder) -> None:
    explain = add("explain", help="explain a diagnostic's code with an example")
    explain.add_argument("code", nargs="?", metavar="CODE", help="such as CAP203; none lists all")
    _output(explain)
    schema = add("schema", help="print the JSON Schema or the Kubernetes definition of capsules")
    schema.add_argument(
        "kind",
        nargs="?",
        default="capsule",
        choices=["capsule", "plan", "constitution", "test", "crd"],
        help="of what (default: capsule)",
    )
    schema.add_argument(
        "--install",
        action="store_true",
        help=f"write those of capsules and their tests into {DATA_DIRECTORY}, and say how editors find them",
    )
    lsp = add("lsp", help="serve an editor: mistakes while you type, completion, hover, rename (language server)")
    lsp.add_argument("--stdio", action="store_true", help="over standard input and output, which is the only way")
    _constitution(lsp)
    completion = add("completion", help="print a script that completes this command in your shell")
    completion.add_argument("shell", choices=["bash", "zsh", "tcsh"], help="which shell")


def _keep(add: _Adder) -> None:
    audit = add("audit", help="print who started, decided and cancelled, or verify that nobody changed it")
    audit.add_argument(
        "what", nargs="?", choices=["print", "verify"], default="print", help="print the log, or verify it"
    )
    audit.add_argument("--head", default="", metavar="HASH", help="verify: an entry with this hash must be in the log")
    audit.add_argument("--file", metavar="FILE", help="verify: lines that were printed before, instead of the journal")
    _store(audit)
    _output(audit)
    prune = add("prune", help="remove runs that ended long ago, with their logs, reports and artifacts")
    prune.add_argument(
        "--older-than", required=True, metavar="DURATION", help="those that ended before that time, such as `30d`"
    )
    prune.add_argument("--keep", type=_number, default=0, metavar="N", help="but never the newest N (default: 0)")
    prune.add_argument("--dry-run", action="store_true", help="say what would go, and remove nothing")
    _kept(prune)
    _output(prune)
    backup = add("backup", help="copy the data directory to a new folder, also while runs are at work")
    backup.add_argument("folder", metavar="FOLDER", help="where to; it must not be there yet")
    _kept(backup)
    _output(backup)
    doctor = add("doctor", help="look through runs and their files for what is broken, and say what to do")
    doctor.add_argument("--quick", action="store_true", help="do not read the stored content")
    _kept(doctor)
    _output(doctor)


def _run_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="run id, its beginning, or `last`")


def _format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", choices=["text", "json", "sarif", "github"], help="how mistakes are printed (default: text)"
    )


def _run_or_last(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", nargs="?", default="last", metavar="RUN", help="run id, its beginning, or `last` (default: last)"
    )


def _locked(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--locked", action="store_true", help="refuse what `capsule.lock` does not pin")


def _constitution(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--constitution", metavar="FILE", help="the constitution that governs (default: the embedded one)"
    )


def _data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir",
        type=_given,
        metavar="DIR",
        help=f"where runs are kept (default: $SOMAGENT_DATA_DIR, else {DATA_DIRECTORY} in this folder)",
    )


def _store(parser: argparse.ArgumentParser) -> None:
    _data(parser)
    parser.add_argument(
        "--store",
        type=_given,
        metavar="URL",
        help="a PostgreSQL database that several workers share (default: $SOMAGENT_STORE, else in the data directory)",
    )


def _kept(parser: argparse.ArgumentParser) -> None:
    """Where the runs are that a command is about: here, or elsewhere, where nothing is worked on by this process."""
    _store(parser)
    parser.add_argument(
        "--engine",
        dest="on",
        choices=["local", "argo", "airflow"],
        help="what the run is worked on by (default: $SOMAGENT_ENGINE, else local)",
    )
    parser.add_argument(
        "--runs",
        type=_given,
        metavar="URL",
        help="elsewhere: the object store where runs are kept (default: $SOMAGENT_RUNS)",
    )


def _place(parser: argparse.ArgumentParser) -> None:
    """Where new runs begin in a cluster."""
    parser.add_argument(
        "--namespace", metavar="NAME", help="of pods (default: $SOMAGENT_NAMESPACE, else argo: your context's)"
    )
    parser.add_argument("--image", metavar="IMAGE", help="of the step runner in pods (default: $SOMAGENT_IMAGE)")
    parser.add_argument(
        "--runs-secret", metavar="NAME", help="pods: the Secret with the store's credentials ($SOMAGENT_RUNS_SECRET)"
    )


def _working(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--token-file", metavar="FILE", help="a file with the token that says who you are (default: $SOMAGENT_TOKEN)"
    )
    _kept(parser)
    _output(parser)


def _parallel(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--parallel",
        type=_count,
        metavar="N",
        help="attempts at work at once, of the whole run (default: twice the processor cores, at least 4)",
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:9]) > 0):
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number from 1 on")
    return int(text[:9])


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number from 0 on")
    return int(text[:18])


def _given(text: str) -> str:
    """A name that is not empty: a variable that is not set, most likely, and then nobody meant the default."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; name one, or leave the option out for the default")
    return text


def _percent(text: str) -> float:
    if not (text.replace(".", "", 1).isdigit() and text.isascii() and float(text) <= 100):
        raise argparse.ArgumentTypeError(f"`{text}` is not a number from 0 to 100")
    return float(text)


def _output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", choices=["text", "json"], default="text", help="what is printed (default: text)")


def parse_arguments(argv: list[str]) -> Any:
    """Parses the command line; on a mistake, prints it and ends the process with exit code 2, or raises `UserError`."""
    for argument in argv:
        _text(argument)
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None and not arguments.version:
        parser.print_help(sys.stdout)
        parser.exit(2)
    for name in _TEXTS:
        given = getattr(arguments, name, None)
        if given:
            setattr(arguments, name, [_text(one) for one in given] if isinstance(given, list) else _text(given))
    return arguments


def _text(argument: str) -> str:
    """The text of an argument, whatever the locale; raises `UserError` when it is none."""
    try:
        return os.fsencode(argument).decode()
    except UnicodeDecodeError:
        raise UserError(f"the argument `{argument}` is not text in UTF-8") from None
