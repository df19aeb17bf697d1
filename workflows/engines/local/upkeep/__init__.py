"""Care of a data directory: what is old goes, what is there is kept a second time, what is broken is found."""

from somagent.workflows.engines.local.upkeep.backup import DUMP_NAME, BackedUp, back_up
from somagent.workflows.engines.local.upkeep.examine import examine
from somagent.workflows.engines.local.upkeep.prune import Pruned, prune

__all__ = ["DUMP_NAME", "BackedUp", "Pruned", "back_up", "examine", "prune"]
