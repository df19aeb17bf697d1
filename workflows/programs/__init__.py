"""What a Python program is offered: `somagent.run`, `somagent.start`, `somagent.Runs`, `somagent.compile`.

Nothing here decides anything about runs: it opens the engine, hands things on, and says errors as exceptions. What the
command line does as well is beside this folder, and both use it.
"""
