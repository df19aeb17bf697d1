"""Governed agent work as code.

This package is the front door only; each part is a folder of its own beside it and is linked in here
(`somagent.governance`, `somagent.capsule_compiler`, `somagent.operators`, `somagent.workflows`, `somagent.cli`).
"""
