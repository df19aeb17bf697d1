"""Who is at the keyboard, as far as the operating system vouches for it: no variable of the environment is asked."""

from __future__ import annotations

import os
import pwd


def account() -> str:
    """The account's name; `uid-N` when it has none, as in containers."""
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid-{uid}"
