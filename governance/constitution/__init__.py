"""The constitution: principles in prose, rules in CEL, and the verdicts that they give.

Inside belong the document's form, its checks, and the judging of one step or one policy input. Proofs over all inputs,
signatures and the log of decisions are parts of their own.
"""

from somagent.governance.constitution.attributes import InputRefused, attribute_type
from somagent.governance.constitution.constitution import Constitution
from somagent.governance.constitution.default import default_constitution
from somagent.governance.constitution.faults import FAULTS, ConstitutionRefused
from somagent.governance.constitution.judging import judge_input, judge_step, static_step_verdict
from somagent.governance.constitution.loading import constitution_from_document, load_constitution
from somagent.governance.constitution.model import ConstitutionFile
from somagent.governance.constitution.scopes import Circumstances

__all__ = [
    "FAULTS",
    "Circumstances",
    "Constitution",
    "ConstitutionFile",
    "ConstitutionRefused",
    "InputRefused",
    "attribute_type",
    "constitution_from_document",
    "default_constitution",
    "judge_input",
    "judge_step",
    "load_constitution",
    "static_step_verdict",
]
