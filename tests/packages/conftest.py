"""A folder of packages where the command looks for it."""

from __future__ import annotations

import pytest
from package_folder import Packages
from somagent_shell import Shell


@pytest.fixture
def packages(somagent: Shell) -> Packages:
    """The empty folder of packages in the home folder that the command has."""
    return Packages(somagent.folder / ".local" / "share" / "somagent" / "packages")
