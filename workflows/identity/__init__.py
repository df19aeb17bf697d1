"""Who acts: the account of the operating system, or the person whom a signed token names.

What a data directory trusts stands in its folder `identity`, which belongs to an administrator. Without that folder a
name is what somebody says; on one machine it is worth as much as the access to the journal's file.
"""

from somagent.workflows.identity.acting import Person, on_whose_word, token_of, who_acts
from somagent.workflows.identity.document import FOLDER, IdentityRefused, Trust, read_trust

__all__ = ["FOLDER", "IdentityRefused", "Person", "Trust", "on_whose_word", "read_trust", "token_of", "who_acts"]
