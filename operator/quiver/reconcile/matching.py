"""Compares a live object with a manifest, so that nothing is written when nothing differs."""

from collections.abc import Iterator
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


def differences(desired: Any, live: Any, path: str = "") -> Iterator[str]:
    """Yield a phrase for each field in which `live` does not match `desired`, with its path."""
    if isinstance(desired, dict) and isinstance(live, dict):
        for key, value in desired.items():
            yield from _differences_at(key, value, live, f"{path}.{key}".lstrip("."))
    elif isinstance(desired, list) and isinstance(live, list):
        for item in desired:
            if not any(matches(item, other) for other in live):
                yield from _differences_of_item(item, live, path)
    elif not matches(desired, live):
        yield f"{path} is {live!r}, not {desired!r}"


def _differences_at(key: str, desired: Any, live: dict[str, Any], path: str) -> Iterator[str]:
    if key in live:
        yield from differences(desired, live[key], path)
    elif desired:
        yield f"{path} is missing, not {desired!r}"


def _differences_of_item(item: Any, live: list[Any], path: str) -> Iterator[str]:
    name = item.get("name") if isinstance(item, dict) else None
    namesakes = [o for o in live if name and isinstance(o, dict) and o.get("name") == name]
    if namesakes:
        yield from differences(item, namesakes[0], f"{path}[{name}]")
    else:
        yield f"{path} lacks {item!r}"


def _has(live: dict[str, Any], key: str, desired: Any) -> bool:
    return matches(desired, live[key]) if key in live else not desired


def _same_quantity(desired: Any, live: Any) -> bool:
    try:
        return parse_quantity(desired) == parse_quantity(live)
    except ValueError:
        return False
