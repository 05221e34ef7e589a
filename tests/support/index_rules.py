"""What the rules of the CRD say of an index's parameters."""

import re
from collections.abc import Mapping
from typing import Any

_RANGE = re.compile(r"self\.params\.(\w+) >= (\d+) && self\.params\.\1 <= (\d+)")


def ranges_in(index: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Return each parameter that has a range, with the least and the most, given the schema of
    spec.index.
    """
    rules = " ".join(rule["rule"] for rule in index["x-kubernetes-validations"])
    return {name: (int(least), int(most)) for name, least, most in _RANGE.findall(rules)}
