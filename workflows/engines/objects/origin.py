"""The contents of runs in a bucket: what a pod or a task used lies in a folder of its own, the rest stays there."""

from __future__ import annotations

from pathlib import Path

from somagent.workflows.engines.objects import names
from somagent.workflows.engines.objects.bucket import Bucket


class BucketContents:
    """The `Origin` of content stores; content is checked against its digest by whoever reads it."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def fetch(self, digest: str, path: Path) -> bool:
        return self._bucket.fetch_to(names.content(digest), path) or self._bucket.fetch_to(names.aside(digest), path)

    def store(self, digest: str, path: Path) -> None:
        self._bucket.store_from(names.content(digest), path)
