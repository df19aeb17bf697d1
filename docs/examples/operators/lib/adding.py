"""Code beside a capsule."""


def total(numbers: list[int]) -> int:
    """The sum."""
    return sum(numbers)
