"""What PATCH requests make of an object."""

from typing import Any


def merged(target: Any, patch: Any) -> Any:
    """Return what a JSON merge patch (RFC 7386) makes of `target`, which stays as it is."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def applied(live: Any, before: Any, config: Any) -> Any:
    """Return what server-side apply by one manager makes of `live`, given what it applied before.

    Lists are taken as a whole: the operator owns those that it writes.
    """
    if not isinstance(config, dict):
        return config
    result = dict(live) if isinstance(live, dict) else {}
    before = before if isinstance(before, dict) else {}
    for key in before:
        if key not in config:
            result.pop(key, None)
    for key, value in config.items():
        result[key] = applied(result.get(key), before.get(key), value)
    return result
