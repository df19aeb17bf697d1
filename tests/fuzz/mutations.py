"""Damaged documents and expressions: seeds from all examples here, changed as bytes, lines, trees, grammar.

All choices come from one `random.Random`, so that an input is known by the numbers of its seed.
"""

from __future__ import annotations

import copy
import json
import random
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
KINDS = {"Capsule": "capsule", "Constitution": "constitution", "CapsuleTest": "test", "CapsuleLock": "lock"}
KINDS |= {kind: kind.lower() for kind in ("Package", "Persona", "Tool")}
OFTEN = {"capsule": 66, "constitution": 10, "test": 6, "lock": 6, "package": 4, "persona": 4, "tool": 4}
NASTY: tuple[Any, ...] = (
    *(0, -1, 1, 2**31, 2**53, 2**53 + 1, 2**63, -(2**63) - 1, 10**400, 1e308, -0.0, 0.1, True, False, None, "", " "),
    *("null", "~", "yes", "on", "010", "1_000", "0x1f", "1:30", "2026-01-01", ".inf", ".nan", "-", "?", ":", "#"),
    "*a",
    *(
        "&a b",
        "!!str a",
        "<<",
        "---",
        "...",
        "\t",
        "\n",
        "a\nb",
        "\u0000",
        "\u0085",
        "\u2028",
        "\ufeff",
        "\ud7ff",
        "😀",
    ),
    *("é" * 40, "a" * 3000, "${{", "}}", "${{ }}", "$${{ a }}", "${{ inputs }}", "${{ steps }}", "${{ run }}", "%41"),
    *("${{ inputs.a ", "${{ secrets.a }}", "15m", "0s", "-1s", "99999999h", "400k", "1e9k", "6.00 USD", "0 XXX"),
    *("1.999999 USD", "./../../etc/passwd", "/", "C:\\a", "a/b@^1", "a/b@", "@", "#/types/A", "#/types/", "(a+)+$"),
    *("[", "{", "(?<!a)", "\\", "'", '"', "Capsule", "__proto__", "constructor", "item", "index", "steps", "x" * 300),
    *([], {}, [[]], [None], {"a": None}, {"$ref": "#/types/A"}, {"type": "object"}, {"type": "array", "items": {}}),
)
HERE = Path(__file__).parent
WORDS = (HERE / "words.txt").read_text("utf-8").split()
TOKENS = [*(HERE / "tokens.txt").read_text("utf-8").split(), "\n", "\u0000"]
OPERATORS = ["+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!=", "&&", "||", "in"]
_HOLE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


class Seed(NamedTuple):
    """An example of the repository, as text and, where it is YAML, as a tree."""

    kind: str
    text: str
    tree: Any
    place: Path | None = None


class Input(NamedTuple):
    """What is put in: of which kind, its bytes, and the path of the seed, beside which lies what it may name."""

    kind: str
    content: bytes
    place: Path | None = None


def seeds() -> list[Seed]:
    """Every YAML document and every expression line that lies in the repository."""
    found = []
    for path in sorted([*ROOT.rglob("*.yaml"), *ROOT.rglob("capsule.lock")]):
        if any(part.startswith(".") for part in path.relative_to(ROOT).parts) or path.stat().st_size > 40_000:
            continue
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        try:
            tree = yaml.load(text, yaml.CSafeLoader)
            json.dumps(tree)
        except (yaml.YAMLError, ValueError, TypeError, RecursionError):
            tree = None
        kind = KINDS.get(tree.get("kind"), "capsule") if isinstance(tree, dict) else "capsule"
        found.append(Seed(kind, text, tree, path))
    lines = (ROOT / "tests/cel/written.txt").read_text("utf-8").splitlines()
    lines += [hole for seed in found for hole in _HOLE.findall(seed.text)]
    return found + [Seed("expression", line.strip(), None) for line in dict.fromkeys(lines) if line.strip()]


class Mutator:
    """Makes inputs out of seeds."""

    def __init__(self, found: list[Seed]) -> None:
        self.documents = [seed for seed in found if seed.kind != "expression"]
        self.trees = [seed for seed in self.documents if seed.tree is not None]
        self.of_kind = {kind: [seed for seed in self.trees if seed.kind == kind] for kind in OFTEN}
        self.expressions = [seed.text for seed in found if seed.kind == "expression"]
        self.members: dict[str, list[tuple[Any, Any]]] = {}  # by the role of the mapping or list
        for seed in self.trees:
            for holder, key, role in _places(seed.tree):
                self.members.setdefault(role, []).append((key, holder[key]))

    def input(self, rng: random.Random) -> Input:
        """One input."""
        way = rng.random()
        if way < 0.3:
            return Input("expression", self.expression(rng).encode("utf-8", "surrogatepass"))
        (kind,) = rng.choices(list(OFTEN), list(OFTEN.values()))
        seed = rng.choice(self.of_kind[kind])
        if way < 0.8:
            tree = json.loads(json.dumps(seed.tree))
            for _ in range(rng.choice((1, 1, 2, 3, 6))):
                tree = self.changed_tree(rng, tree) if rng.random() < 0.3 else self.varied_tree(rng, tree)
            if rng.random() < 0.003:
                _swell(rng, tree)
            text = json.dumps(tree, ensure_ascii=rng.random() < 0.2)
            if rng.random() < 0.3:
                text = yaml.dump(json.loads(text), Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False)
            return Input(kind, text.encode("utf-8", "surrogatepass"), seed.place)
        text = seed.text
        for _ in range(rng.choice((1, 1, 2, 4))):
            text = self.changed_text(rng, text)
        content = text.encode("utf-8", "surrogatepass")
        return Input(kind, flipped(rng, content) if rng.random() < 0.2 else content, seed.place)

    # Expressions

    def expression(self, rng: random.Random) -> str:
        """One by grammar, or a written one with its tokens changed."""
        if rng.random() < 0.5:
            return grown(rng, rng.randint(1, 5))
        parts = re.findall(r"\w+|\s+|.", rng.choice(self.expressions), re.DOTALL)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(parts) + 1)
            way = rng.randrange(5)
            if way == 0:
                del parts[at : at + rng.randint(1, 3)]
            elif way == 1:
                parts[at:at] = [rng.choice(TOKENS)]
            elif way == 2:
                parts[at:at] = parts[at : at + 4] * rng.choice((1, 1, 2, 40))
            elif way == 3:
                parts[at:at] = re.findall(r"\w+|\s+|.", rng.choice(self.expressions))
            else:
                parts[at : at + 1] = [f"({grown(rng, 2)})"]
        return "".join(parts)[:20_100]

    # Trees

    def varied_tree(self, rng: random.Random, tree: Any) -> Any:
        """A member that could stand there, from another example; or an expression over the capsule's own names."""
        places = _places(tree)
        if not places:
            return tree
        holder, key, role = rng.choice(places)
        way = rng.randrange(6)
        at, value = rng.choice(self.members.get(role) or [(key, holder[key])])
        value = json.loads(json.dumps(value))
        if way == 0:
            fitting = [one for one in self.members.get(role, ()) if one[0] == key] or [(key, holder[key])]
            holder[key] = json.loads(json.dumps(rng.choice(fitting)[1]))
        elif way == 1 and isinstance(holder, dict):
            holder[at] = value
        elif way == 1:
            holder.append(value)
        elif way == 2:
            del holder[key]
        elif way == 3 and isinstance(holder, dict):
            renamed = rng.choice([name for other, name, _ in places if isinstance(other, dict)])
            holder[renamed] = holder.pop(key)
        else:
            self._expression_in(rng, tree, places)
        return tree

    def _expression_in(self, rng: random.Random, tree: Any, places: list[tuple[Any, Any, str]]) -> None:
        holes = [(holder, key) for holder, key, _ in places if isinstance(holder[key], str)]
        held = [one for one in holes if "${{" in one[0][one[1]] or one[1] in ("if", "require", "when", "forEach")]
        if not holes:
            return
        holder, key = rng.choice(held or holes)
        names = _names(tree)

        def of_the_capsule(match: re.Match[str]) -> str:
            return rng.choice(names) if names and rng.random() < 0.7 else match.group()

        fresh = re.sub(r"\b(?:i|d|s|b|x|li|ls|m|o|lo)\b(?!['\"(])", of_the_capsule, grown(rng, rng.randint(0, 3)))
        text = holder[key]
        if "${{" in text and rng.random() < 0.5:
            holder[key] = _HOLE.sub(lambda _: f"${{{{ {fresh} }}}}", text, count=1)
        else:
            holder[key] = fresh if key in ("if", "require", "when") else f"${{{{ {fresh} }}}}"

    def changed_tree(self, rng: random.Random, tree: Any) -> Any:
        """One node put in, taken out, moved, doubled or replaced."""
        places = _places(tree)
        if not places:
            return tree
        holder, key, _ = rng.choice(places)
        way = rng.randrange(8)
        if way == 0:
            del holder[key]
        elif way == 1:
            holder[key] = copy.deepcopy(rng.choice(NASTY))  # it may be changed in its turn
        elif way == 2:
            other, at, _ = rng.choice(places)
            holder[key], other[at] = json.loads(json.dumps(other[at])), json.loads(json.dumps(holder[key]))
        elif way == 3:
            self._put(rng, holder, json.loads(json.dumps(holder[key])))
        elif way == 4:
            other, at, _ = rng.choice(_places(rng.choice(self.trees).tree) or [(holder, key, "")])
            holder[key] = json.loads(json.dumps(other[at]))
        elif way == 5:
            self._put(rng, holder, copy.deepcopy(rng.choice(NASTY)))
        elif way == 6:
            holder[key] = self._wrapped(rng, holder[key])
        else:
            text = holder[key] if isinstance(holder[key], str) else ""
            fresh = self.expression(rng)
            holder[key] = _HOLE.sub(lambda _: f"${{{{ {fresh} }}}}", text) if "${{" in text else fresh
            if rng.random() < 0.5:
                holder[key] = f"${{{{ {fresh} }}}}"
        return tree

    def _put(self, rng: random.Random, holder: Any, value: Any) -> None:
        if isinstance(holder, list):
            holder.insert(rng.randint(0, len(holder)), value)
        else:
            holder[rng.choice(WORDS) if rng.random() < 0.8 else str(rng.choice(NASTY))[:50]] = value

    def _wrapped(self, rng: random.Random, value: Any) -> Any:
        for _ in range(rng.choice((1, 1, 2, 3, 70))):
            value = [value] if rng.random() < 0.4 else {rng.choice(WORDS): value}
        return value

    # Texts

    def changed_text(self, rng: random.Random, text: str) -> str:
        """Pieces of the text or whole lines taken out, doubled, moved, pushed in, or replaced."""
        way = rng.randrange(7)
        start = rng.randint(0, len(text))
        end = min(len(text), start + rng.randint(0, 40))
        if way == 0:
            return text[:start] + text[end:]
        if way == 1:
            return text[:end] + text[start:end] * rng.choice((1, 1, 3, 200)) + text[end:]
        if way == 2:
            return text[:start] + str(rng.choice(NASTY))[:400] + text[end if rng.random() < 0.5 else start :]
        if way == 3:
            other = rng.choice(self.documents).text
            at = rng.randint(0, len(other))
            return text[:start] + other[at : at + rng.randint(1, 200)] + text[end:]
        lines = text.splitlines(keepends=True) or [""]
        one, two = rng.randrange(len(lines)), rng.randrange(len(lines))
        if way == 4:
            lines[one], lines[two] = lines[two], lines[one]
        elif way == 5:
            lines[one:one] = [lines[two]] * rng.choice((1, 2, 30))
        else:
            lines[one] = " " * rng.choice((1, 2, 4)) + lines[one] if rng.random() < 0.5 else lines[one].lstrip(" ")
        return "".join(lines)


def flipped(rng: random.Random, content: bytes) -> bytes:
    """A few bytes changed."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def grown(rng: random.Random, depth: int) -> str:
    """An expression by grammar, of whatever type."""
    if depth <= 0 or rng.random() < 0.15:
        return rng.choice((
            *("i", "d", "s", "b", "x", "li", "ls", "m", "o.name", "o.lines", "o", "null", "true", "false", "''"),
            *("0", "-1", "9223372036854775807", "-9223372036854775808", "1.5", "1e300", "[]", "{}", "lo", "m['a']"),
        ))  # fmt: skip

    def part() -> str:
        return grown(rng, depth - 1)

    way = rng.randrange(14)
    if way < 4:
        return f"({part()} {rng.choice(OPERATORS)} {part()})"
    if way == 4:
        return f"({part()} ? {part()} : {part()})"
    if way == 5:
        return f"{rng.choice(('!', '-', '--', '!!'))}({part()})"
    if way == 6:
        return f"{rng.choice(['size', 'string', 'int', 'double', 'bool', 'dyn'])}({part()})"
    if way == 7:
        return f"({part()}).{rng.choice(['contains', 'startsWith', 'endsWith', 'matches'])}({part()})"
    if way < 10:
        name = rng.choice("vwi")
        macro = rng.choice(["all", "exists", "exists_one", "filter", "map"])
        body = grown(rng, depth - 1).replace("i", name)
        return f"({part()}).{macro}({name}, {body})"
    if way == 10:
        return f"[{', '.join(part() for _ in range(rng.randint(0, 4)))}]"
    if way == 11:
        return "{" + ", ".join(f"{part()}: {part()}" for _ in range(rng.randint(0, 3))) + "}"
    if way == 12:
        return f"({part()})[{part()}]"
    return rng.choice((f"has(({part()}).name)", f"({part()}).{rng.choice(('name', 'a', 'lines'))}"))


def _swell(rng: random.Random, tree: Any) -> None:
    """One mapping, list or text made very large, as far as a document may be."""
    places = _places(tree)
    if not places:
        return
    holder, key, _ = rng.choice(places)
    room = 900_000 // (len(json.dumps(holder[key])) + 12)
    times = min(rng.choice((100, 1000, 6000)), room)
    if isinstance(holder[key], str) and rng.random() < 0.5:
        holder[key] *= times
    elif isinstance(holder, list):
        holder.extend([holder[key]] * times)
    else:
        for number in range(times):
            holder[f"{key}{number}"] = holder[key]


_OPEN = ("steps", "finally", "inputs", "outputs", "types", "properties", "uses")


def _places(tree: Any) -> list[tuple[Any, Any, str]]:
    """Every member with what holds it and the role of the holder: `steps` holds steps, `steps*` is one of them."""
    found = []
    level: list[tuple[Any, str]] = [(tree, "")]
    while level:
        node, role = level.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        for key in keys:
            found.append((node, key, role))
            level.append((node[key], f"{role}*" if role in _OPEN else key if isinstance(key, str) else f"{role}[]"))
    return found


def _names(tree: Any) -> list[str]:
    """What expressions of a capsule may name."""
    spec = tree.get("spec") if isinstance(tree, dict) else None
    found = ["run.id", "run.submitter", "run.phase", "item", "index"]
    if not isinstance(spec, dict):
        return found
    for part in ("inputs", "input"):
        if isinstance(spec.get(part), dict):
            found += [f"{part}.{name}" for name in spec[part]]
    for part in ("steps", "finally"):
        steps = spec.get(part)
        for name, step in steps.items() if isinstance(steps, dict) else ():
            outputs = step.get("outputs") if isinstance(step, dict) else None
            found += [f"steps.{name}.{output}" for output in outputs] if isinstance(outputs, dict) else []
            found += [f"steps.{name}", f"steps.{name}.status"]
    return found
