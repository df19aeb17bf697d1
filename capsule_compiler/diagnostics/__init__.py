"""Diagnostics for people and programs: the one list of codes, their examples, and the ways to show them."""

from somagent.capsule_compiler.diagnostics.codes import CODES, Code, Severity, code_of, is_error
from somagent.capsule_compiler.diagnostics.render import render, render_all, to_record

__all__ = ["CODES", "Code", "Severity", "code_of", "is_error", "render", "render_all", "to_record"]
