"""The one list of codes. A number never changes its meaning and is never used again.

CAP0 the text, CAP1 its form, CAP2 names, CAP3 expressions and types, CAP4 order and guards, CAP5 what comes
from outside the file, CAP6 constitutions, CAP7 secrets, CAP80 comments that allow warnings, CAP82 files of tests.
Each code has a folder
`examples/NUMBER-NAME/` with a capsule that fails by this code only (`fails.capsule.yaml`), the same capsule mended
(`fixed.capsule.yaml`) and how the failure is shown (`fails.txt`).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from somagent.governance.documents import Diagnostic

Severity = Literal["error", "warning"]


class Code(NamedTuple):
    """What a diagnostic's name stands for."""

    number: str
    name: str
    meaning: str
    severity: Severity = "error"


CODES: tuple[Code, ...] = (
    Code("CAP001", "document-too-large", "A document is read up to 1 MiB."),
    Code("CAP002", "not-utf-8", "Documents are UTF-8."),
    Code("CAP003", "control-character", "Control characters are invisible and change what a text means."),
    Code(
        "CAP004",
        "yaml-syntax",
        "The text is not YAML. The reader stops at the first place where more than quotes is missing.",
    ),
    Code("CAP005", "empty-document", "There is nothing in the file. `somagent new` writes a small capsule."),
    Code("CAP006", "several-documents", "A file holds one document, so that a place in it has one meaning."),
    Code("CAP007", "yaml-too-deep", "Documents are read up to 64 levels deep."),
    Code("CAP008", "yaml-alias", "Aliases and anchors make a small text large and hide what a step really says."),
    Code("CAP009", "yaml-tag", "Tags choose types behind the reader's back; values are typed by their place."),
    Code("CAP010", "duplicate-key", "Of two equal keys YAML readers take the first, the last, or neither."),
    Code("CAP011", "key-not-text", "Keys are text, as in JSON."),
    Code("CAP012", "merge-key", "Merge keys are YAML 1.1 and hide what a step really says."),
    Code(
        "CAP013",
        "yaml-ambiguous",
        "A plain scalar that YAML 1.2 and kubectl's YAML 1.1 read differently (n, yes, on, 010, 1:30, 1_000): the "
        "capsule would mean one thing here and another in a cluster.",
    ),
    Code("CAP014", "number-not-finite", "Infinities and not-a-number have no form in JSON."),
    Code("CAP015", "number-too-large", "Whole numbers are exact up to 2^53-1 in canonical JSON (RFC 8785)."),
    Code(
        "CAP016",
        "too-many-mistakes",
        "Of very many mistakes only the first 500 are shown; mending them shows the rest.",
    ),
    Code(
        "CAP017",
        "unreadable-to-kubectl",
        "kubectl's YAML reader ends plain text between braces or brackets at a question mark and refuses the file.",
        "warning",
    ),
    Code("CAP101", "unknown-field", "The field does not exist; nothing is ignored silently."),
    Code("CAP102", "missing-field", "A field that must be there is not."),
    Code("CAP103", "wrong-type", "The value is of another kind than the field."),
    Code("CAP104", "not-one-of", "The field has a closed list of values."),
    Code("CAP105", "not-in-form", "The text does not have the form of the field."),
    Code("CAP106", "out-of-range", "The value is too small, too large, too short or too long."),
    Code("CAP107", "no-expression-here", "The field is taken as it stands; `${{ }}` is not evaluated there."),
    Code("CAP108", "no-operator", "Exactly one key of a step says what it does."),
    Code("CAP109", "several-operators", "Exactly one key of a step says what it does."),
    Code("CAP110", "no-steps", "A capsule has at least one step."),
    Code("CAP111", "too-many-steps", "A capsule has at most 5,000 steps."),
    Code("CAP112", "duplicate-step", "Steps and `finally` share one space of names."),
    Code("CAP201", "unknown-step", "The expression reads a step that the capsule does not have."),
    Code("CAP202", "unknown-need", "`needs` names a step that the capsule does not have."),
    Code("CAP203", "unknown-output", "The expression reads an output that the step does not give."),
    Code("CAP204", "unknown-input", "The expression reads an input that the capsule does not declare."),
    Code("CAP205", "unknown-name", "The expression uses a name that means nothing there."),
    Code("CAP206", "unknown-run-field", "`run` does not have this field here; `run.phase` is known in `finally` only."),
    Code("CAP207", "unknown-member", "The value's type does not have this field."),
    Code("CAP208", "unknown-type", "`$ref` names a type that the capsule does not declare."),
    Code("CAP209", "unknown-operator", "No operator of this name is installed."),
    Code("CAP210", "unknown-policy-set", "The policy step asks a set that the capsule does not use."),
    Code("CAP211", "unknown-attribute", "The constitution's input is closed: it does not know this attribute."),
    Code("CAP212", "missing-attribute", "The constitution needs an attribute that the policy step does not hand over."),
    Code("CAP213", "need-itself", "A step cannot wait for itself."),
    Code("CAP214", "need-twice", "`needs` names a step twice.", "warning"),
    Code("CAP215", "need-of-finally", "`finally` steps run after all others, so none can wait for them."),
    Code("CAP216", "need-in-finally", "`finally` steps run in the order of the text, after all others."),
    Code("CAP217", "reserved-name", "`inputs`, `steps` and `run` are taken."),
    Code(
        "CAP218",
        "fan-out-field-alone",
        "`as`, `indexAs`, `maxParallel`, `onItemFailure` and `totalBudget` say something about `forEach`.",
    ),
    Code("CAP219", "outputs-not-declarable", "The operator's outputs are fixed."),
    Code("CAP220", "steps-as-value", "An expression must say which steps it waits for; `steps` alone is all of them."),
    Code("CAP225", "reserved-output", "`status`, `attempts`, `spend`, `error` and what a step gives itself are taken."),
    Code("CAP226", "item-and-index-alike", "An item and its place in the list need two names."),
    Code("CAP228", "github-variable", "GitHub Actions sets this for its scripts; here nothing does.", "warning"),
    Code("CAP301", "expression-syntax", "The text is not an expression of the language."),
    Code("CAP302", "expression-unsupported", "CEL has this; the language of capsules does not."),
    Code("CAP303", "expression-too-deep", "Expressions are read up to a bounded depth."),
    Code("CAP304", "expression-too-long", "Expressions are read up to a bounded length."),
    Code("CAP305", "empty-expression", "There is no expression where one must be."),
    Code("CAP306", "empty-hole", "`${{ }}` holds an expression."),
    Code("CAP307", "unclosed-hole", "`${{` is closed by `}}`; a literal `${{` is written `$${{`."),
    Code("CAP308", "expression-in-braces", "`if` and `require` are expressions already."),
    Code("CAP309", "invalid-literal", "The constant cannot be written so."),
    Code("CAP310", "reserved-word", "CEL keeps this word for itself."),
    Code("CAP311", "unknown-function", "The language has no such function."),
    Code(
        "CAP312",
        "no-matching-overload",
        "The operator or function does not take these types; nothing is converted silently.",
    ),
    Code("CAP313", "type-mismatch", "The expression has another type than its place."),
    Code("CAP314", "has-argument", "`has()` asks for a field: `has(a.b)`."),
    Code("CAP315", "macro-variable", "The first argument of a macro is a name."),
    Code("CAP316", "map-key", "Keys of a map are text, whole numbers or booleans, each once."),
    Code("CAP317", "artifact-in-text", "An artifact is a file; it can be a whole value, not a part of a text."),
    Code("CAP318", "for-each-not-a-list", "`forEach` is one `${{ }}` that gives a list."),
    Code("CAP319", "constant-output", "An output of a capsule comes from its steps."),
    Code("CAP320", "schema-without-type", "Every value has a type; it is what expressions are checked against."),
    Code("CAP321", "keyword-of-other-type", "The keyword says nothing about values of this type."),
    Code("CAP322", "keyword-beside-ref", "Beside `$ref` only `description` and `default` have a meaning."),
    Code("CAP323", "empty-range", "No value can satisfy both limits."),
    Code("CAP324", "bad-pattern", "`pattern` is not a regular expression."),
    Code("CAP325", "value-against-schema", "A `default` or `enum` value that its own schema refuses."),
    Code("CAP326", "required-unknown", "`required` names a property that the schema does not declare."),
    Code("CAP327", "artifact-inside-value", "Artifacts are outputs of their own, never part of another value."),
    Code(
        "CAP328", "artifact-input", "Inputs are values; a file comes in by its path and becomes an artifact in a step."
    ),
    Code("CAP329", "artifact-without-path", "An artifact output says which file or folder it is."),
    Code("CAP330", "default-of-output", "A step gives its outputs or fails; it never gives a default."),
    Code("CAP331", "endless-type", "A type that always holds itself has no value that ends."),
    Code("CAP332", "other-currency", "The costs of a run are added up, so all amounts of a capsule have one currency."),
    Code(
        "CAP333",
        "never-equal",
        "The value has a closed list of values (`enum`, `run.phase`, `steps.STEP.status`), and the constant is none of "
        "them: the comparison always has the same result.",
    ),
    Code("CAP340", "artifact-path-outside", "What a step gives lies in its own working folder, which ends with it."),
    Code(
        "CAP350",
        "invalid-pattern",
        "The pattern of `matches` is not a regular expression of RE2, which needs time in proportion to the text only.",
    ),
    Code(
        "CAP351",
        "expression-too-costly",
        "Macros inside macros multiply their lists' sizes (`maxItems`, 128 without); a run stops at a million steps.",
    ),
    Code("CAP401", "cycle", "Steps wait for each other, so none can start."),
    Code("CAP402", "read-of-skippable", "A step with `if` may be skipped, and then has no outputs."),
    Code("CAP403", "gate-may-skip", "A skipped gate stays closed: what needs it never runs.", "warning"),
    Code(
        "CAP404",
        "verdict-unreviewed",
        "A verdict of `require_review` opens nothing by itself: with `onReview: pass` a review must read it, and the "
        "steps behind the gate must wait for that review.",
    ),
    Code("CAP405", "read-of-optional", "A property that is not `required` may be absent; reading it then fails."),
    Code("CAP406", "read-of-collected", "An item of `onItemFailure: collect` has either its outputs or its `error`."),
    Code(
        "CAP407",
        "unbounded-fan-out",
        "Without `maxItems` nobody can say beforehand how often the step will run, or what it will cost.",
        "warning",
    ),
    Code(
        "CAP408",
        "budget-out-of-reach",
        "What a step spends is spent by the capsule, too: a larger budget inside a smaller one is never used up.",
        "warning",
    ),
    Code("CAP409", "outputs-of-nobody", "People give a review's outputs; where nobody is asked, nobody gives them."),
    Code("CAP410", "artifact-from-people", "People who decide give values; files come from steps."),
    Code("CAP501", "file-not-beside", "Files that a capsule brings along are in its own folder."),
    Code("CAP502", "file-beside-missing", "A file that the capsule names cannot be read."),
    Code("CAP503", "include-too-large", "Included files are kept with every run; together they are at most 16 MiB."),
    Code("CAP504", "policy-set-wrong", "The constitution that the capsule uses has mistakes of its own."),
    Code("CAP505", "unknown-package", "No source of packages has a package of this name."),
    Code("CAP506", "no-matching-version", "There are versions of the package, and none is in the range."),
    Code("CAP507", "version-conflict", "Of each package one version is used, and no one fits all who require it."),
    Code("CAP508", "package-wrong", "A version of a package is not what a package must be."),
    Code("CAP509", "package-of-other-kind", "A package provides one thing, and `uses` has a section for each kind."),
    Code(
        "CAP510",
        "packages-not-pinned",
        "Without a lock, tomorrow or elsewhere other versions may be chosen; `somagent lock` pins those of today.",
        "warning",
    ),
    Code("CAP511", "lock-out-of-date", "The lock does not say what the capsule uses now.", "warning"),
    Code("CAP512", "lock-wrong", "The lock is written by `somagent lock` and by nothing else."),
    Code("CAP513", "lock-drift", "With `--locked`, nothing is used that the lock does not pin."),
    Code("CAP514", "package-changed", "A version never changes, so what is in it now is not what was locked."),
    Code("CAP515", "used-file-wrong", "The persona or tool that the capsule uses has mistakes of its own."),
    Code("CAP516", "unknown-use", "What a step works with stands under `uses`."),
    Code("CAP517", "capsule-wrong", "The capsule that the capsule uses has mistakes of its own."),
    Code("CAP518", "capsule-recursion", "A capsule that uses itself, directly or not, would never end."),
    Code("CAP519", "too-many-capsules", "Capsules use each other up to 8 deep, and 256 of them belong together."),
    Code("CAP520", "unknown-used-input", "The capsule or tool that the step works with has no such input."),
    Code("CAP521", "missing-used-input", "An input without a default must be given."),
    Code("CAP522", "budget-beyond-parent", "What a used capsule spends is spent by the capsule that uses it, too."),
    Code("CAP601", "denied-by-constitution", "The constitution denies the step whatever happens in the run."),
    Code("CAP602", "constitution-rule-id-twice", "Rules are told apart by their ids."),
    Code("CAP603", "constitution-principle-id-twice", "Principles are told apart by their ids."),
    Code("CAP604", "constitution-unknown-principle", "A rule serves a principle that the constitution does not state."),
    Code("CAP605", "constitution-when-not-bool", "`when` is true or false."),
    Code("CAP606", "constitution-unknown-attribute", "The rule reads an attribute that `input` does not declare."),
    Code("CAP607", "constitution-attribute-keyword", "The keyword says nothing about attributes of this type."),
    Code("CAP608", "constitution-attribute-required", "`required` names a member that the attribute does not declare."),
    Code("CAP609", "constitution-attribute-value", "A `default` or `enum` value that the attribute itself refuses."),
    Code("CAP701", "unknown-secret", "The expression names a secret that the capsule does not declare under `uses`."),
    Code("CAP702", "secret-not-granted", "A secret goes only to what its `grantTo` names."),
    Code(
        "CAP703",
        "secret-in-text",
        "A secret is a whole value; as a part of a text, a list or an object it would be spread with it, or be lost.",
    ),
    Code("CAP704", "secret-computed", "A secret can be handed on as it is; nothing can be found out about its value."),
    Code("CAP705", "secret-exposed", "At this place the secret would be recorded, shown, or sent to somebody else."),
    Code("CAP706", "secret-decides", "What decides about steps is shown with the run, so it cannot be a secret."),
    Code("CAP707", "unknown-grant", "`grantTo` names tools, capsules and script steps of the capsule."),
    Code("CAP708", "unused-grant", "The secret is granted to a step that is never given it.", "warning"),
    Code("CAP709", "secret-misplaced", "Only inputs can be of type secret: no step makes one, and no value holds one."),
    Code(
        "CAP801", "allow-unused", "An allowance that is not needed would hide the next warning of its kind.", "warning"
    ),
    Code("CAP802", "allow-unknown", "An allowance names codes, by number or by name.", "warning"),
    Code(
        "CAP803",
        "allow-of-error",
        "Only warnings can be allowed; an error keeps the capsule from having a meaning, and what is said about "
        "allowances is mended there.",
        "warning",
    ),
    Code("CAP804", "allow-without-reason", "Whoever reads an allowance later wants to know why.", "warning"),
    Code("CAP805", "allow-malformed", "A comment that begins with `somagent:` is an instruction.", "warning"),
    Code(
        "CAP820",
        "test-capsule-unclear",
        "A file of tests tests one capsule: the one in the folder above, or the one that it names.",
    ),
    Code("CAP821", "test-capsule-wrong", "A capsule with mistakes cannot be run; a case may expect its `diagnostics`."),
    Code("CAP822", "test-case-twice", "Names tell cases apart: in reports, for snapshots and for `-k`."),
    Code("CAP823", "test-unknown-step", "The capsule has no such step to answer for, or to expect something of."),
    Code("CAP824", "test-unknown-output", "The step, or the capsule, declares no such output."),
    Code(
        "CAP825",
        "test-answer-wrong",
        "An answer is what the step could have given: every declared output, of its type. A step that acts outside of "
        "the run, and that a case expects to succeed, must have one.",
    ),
    Code("CAP826", "test-answer-misplaced", "An answer or an expectation of a kind that does not fit there."),
    Code("CAP827", "test-assertion-not-bool", "An assertion is true or false."),
    Code("CAP828", "test-expects-nothing", "A case that expects nothing cannot fail, so it tests nothing."),
    Code("CAP829", "test-unknown-code", "There is no such diagnostic that a capsule could be expected to have."),
    Code("CAP830", "test-unknown-input", "The capsule has no such input that a case could give."),
    Code("CAP831", "test-input-wrong", "A run is given inputs of their declared types, and every one that it needs."),
)

_BY_NAME = {code.name: code for code in CODES}
_BY_NUMBER = {code.number: code for code in CODES}


def code_of(name_or_number: str) -> Code:
    """The code of a diagnostic's name (`unknown-output`) or number (`CAP203`); raises `KeyError`."""
    return _BY_NAME.get(name_or_number) or _BY_NUMBER[name_or_number.upper()]


def is_error(diagnostic: Diagnostic) -> bool:
    """Whether it keeps a capsule from running."""
    return _BY_NAME[diagnostic.name].severity == "error"
