"""Capsules compiled with the operators that come with SomaGent."""

from somagent.capsule_compiler.compile import Compilation, compile_capsule
from somagent.capsule_compiler.language import prepare_language
from somagent.governance.constitution import default_constitution
from somagent.operators.registry import load_operators

LANGUAGE = prepare_language(load_operators(search=[]).catalogue)


def compile_text(text: str) -> Compilation:
    return compile_capsule(
        "a.capsule.yaml",
        text.encode(),
        language=LANGUAGE,
        constitution=default_constitution(),
        files=lambda _: [],
    )
