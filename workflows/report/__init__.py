"""The report of a run: one HTML file that a person reads without help, and that needs nothing but a browser.

It shows what the run wrote down and judges nothing itself. It is imported only when a report is made.
"""

from somagent.workflows.report.page import render_report, write_report

__all__ = ["render_report", "write_report"]
