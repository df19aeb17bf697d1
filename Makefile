# Set-up lives in .venv of this checkout and is redone only when its inputs change.
PYTHON ?= python3
.venv/ready:
	$(PYTHON) -m venv .venv
