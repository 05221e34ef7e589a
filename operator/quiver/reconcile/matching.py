"""Compares a live object with a manifest, so that nothing is written when nothing differs."""

from typing import Any

from quiver.domain.quantities import parse_quantity


def matches(desired: Any, live: Any) -> bool:
    """Tell whether `live` has all that `desired` has. Other writers may have added more to it.

    Quantities compare by value, since the API server rewrites `1000m` as `1`. An empty value equals
    a missing one, since the API server omits it.
    """
    if isinstance(desired, dict):
        if not isinstance(live, dict):
            return False
        return all(_has(live, key, value) for key, value in desired.items())
    if isinstance(desired, list):
        if not isinstance(live, list):
            return False
        return all(any(matches(item, other) for other in live) for item in desired)
    return bool(desired == live) or _same_quantity(desired, live)


def _has(live: dict[str, Any], key: str, desired: Any) -> bool:
    return matches(desired, live[key]) if key in live else not desired


def _same_quantity(desired: Any, live: Any) -> bool:
    try:
        return parse_quantity(desired) == parse_quantity(live)
    except ValueError:
        return False
