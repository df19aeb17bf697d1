"""Who submitted a Workflow, by the labels that Argo's server writes (argo-workflows, `workflow/creator`).

They are the claims of who was signed in: `creator` the subject, the others when the person has them. Where the server
signs nobody in, they name its own account, which is everybody's: that says nothing of who it was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from somagent.operators.submitter import Submitter

_SUBJECT = "workflows.argoproj.io/creator"
_EMAIL = f"{_SUBJECT}-email"
_USERNAME = f"{_SUBJECT}-preferred-username"

# `system:serviceaccount:NAMESPACE:NAME` and Kubernetes' other accounts, `system:admin` among them.
_ACCOUNTS = "system-"
# Of a long one only the end is left, and nothing tells it from a person's.
_CUT = re.compile("[-.0-9a-z]{60,}")


def submitter_in(labels: Mapping[str, str]) -> Submitter:
    """Nobody when the labels cannot tell one person from another; in front is what people know the person by."""
    subject, email, username = (labels.get(one, "") for one in (_SUBJECT, _EMAIL, _USERNAME))
    if not subject or subject.startswith(_ACCOUNTS):
        return Submitter("")
    if not email and not username and "-" in subject and _CUT.fullmatch(subject):
        return Submitter("")
    mailbox, _, domain = email.rpartition(".at.")
    said = dict.fromkeys(one for one in (username, email, subject, mailbox if domain else "") if one)
    return Submitter(next(iter(said)), tuple(said))
