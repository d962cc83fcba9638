"""Checks that settings and configs share."""

import numbers


def is_number(value: object) -> bool:
    """A real number, numpy's too; neither a bool nor NaN."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and value == value
