"""Kubernetes quantities such as `40Gi` or `500m`, as numbers."""

import math
import re
from decimal import Decimal

_SUFFIXES = {
    **{s: Decimal(1024) ** n for n, s in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)},
    **{s: Decimal(1000) ** n for n, s in enumerate(("k", "M", "G", "T", "P", "E"), start=1)},
    **{s: Decimal(1000) ** -n for n, s in enumerate(("m", "u", "n"), start=1)},
    "": Decimal(1),
}
_QUANTITY = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([KMGTPE]i|[numkMGTPE]?)$")


def parse_quantity(text: str | float) -> Decimal:
    """Return the quantity's value.

    Raises ValueError: the text is no quantity.
    """
    match = _QUANTITY.match(str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a quantity such as 500m, 2 or 40Gi")
    number, suffix = match.groups()
    return Decimal(number) * _SUFFIXES[suffix]


def mebibytes(text: str | int) -> int:
    """Return the quantity in MiB (2^20 bytes), rounded up."""
    return math.ceil(parse_quantity(text) / 2**20)


def binary_size(size: int) -> str:
    """Return bytes in a unit that suits them, such as `1.5 GiB`."""
    for power, name in ((4, "TiB"), (3, "GiB"), (2, "MiB")):
        unit = 1024**power
        if size >= unit:
            return f"{size / unit:.{3 if size < 1000 * unit else 4}g} {name}"
    return "less than 1 MiB"
