"""Pure questions about a capsule that is being written: what is here, where is it said, who uses it, what could come.

Editors ask them many times a minute, most often of a text that is broken just now; then the last draft that could be
read answers together with a reader of text that takes anything.
"""

from somagent.capsule_compiler.analysis.analysis import Analysis, Analyst, analyse
from somagent.capsule_compiler.analysis.completions import Completion, completions
from somagent.capsule_compiler.analysis.hover import Hover, hover
from somagent.capsule_compiler.analysis.navigation import definition, references_at
from somagent.capsule_compiler.analysis.occurrences import Meant, Occurrence, occurrences
from somagent.capsule_compiler.analysis.renaming import NotRenamable, renamable, rename
from somagent.capsule_compiler.analysis.symbols import Symbol, symbols
from somagent.capsule_compiler.analysis.typing_report import TypeLine, type_lines

__all__ = [
    "Analysis",
    "Analyst",
    "Completion",
    "Hover",
    "Meant",
    "NotRenamable",
    "Occurrence",
    "Symbol",
    "TypeLine",
    "analyse",
    "completions",
    "definition",
    "hover",
    "occurrences",
    "references_at",
    "renamable",
    "rename",
    "symbols",
    "type_lines",
]
