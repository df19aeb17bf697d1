"""Care of runs at a bucket: what is old goes, what is broken is found."""

from somagent.workflows.engines.objects.upkeep.examine import examine
from somagent.workflows.engines.objects.upkeep.prune import Pruned, prune

__all__ = ["Pruned", "examine", "prune"]
