"""Tests that a folder cannot pass are there where the store is at a network without TLS: OBJECTS, AWS_ENDPOINT_URL."""

import os

_IS_FAR = os.environ.get("OBJECTS", "").startswith("s3:")
_IS_PLAIN = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http:")

collect_ignore = [] if _IS_FAR and _IS_PLAIN else ["test_conflict.py", "test_slow.py"]
