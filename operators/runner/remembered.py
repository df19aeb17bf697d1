"""What was worked out of recorded results is kept for the next reader: a hundred items read one list."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

LIMIT_BYTES = 64 * 1024 * 1024
OBJECT_FACTOR = 4  # Python's objects need about so many times the bytes of their JSON


class Remembered:
    """Values by key; what they come from never changes, and the one used longest ago goes when the limit is passed."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._values: OrderedDict[tuple[str, ...], tuple[Any, int]] = OrderedDict()
        self._limit = limit_bytes
        self._size = 0

    def get(self, key: tuple[str, ...]) -> Any:
        """The value, None when it is not remembered."""
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def put(self, key: tuple[str, ...], value: Any, size: int) -> None:
        """Remembers a value of about `size` bytes."""
        if key in self._values or size > self._limit:
            return
        self._values[key] = (value, size)
        self._size += size
        while self._size > self._limit:
            _, (_, dropped) = self._values.popitem(last=False)
            self._size -= dropped
