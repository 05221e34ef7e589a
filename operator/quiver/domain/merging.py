"""The JSON merge patch by which `kubectl apply` without --server-side brings a change."""

import json
from typing import Any

from quiver.domain.kubernetes_types import Manifest

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""An annotation: the manifest that was applied last, in JSON."""


def applying_patch(last_applied: str, wanted: Manifest) -> Manifest:
    """Return the merge patch that sets all of `wanted`, and deletes what the manifest applied last
    had and `wanted` has not. A text that is no manifest counts as empty.
    """
    try:
        before = json.loads(last_applied)
    except ValueError:
        before = {}
    return _patch(before if isinstance(before, dict) else {}, wanted)


def _patch(before: Manifest, wanted: Manifest) -> Manifest:
    patch: Manifest = {name: None for name in before if name not in wanted}
    for name, value in wanted.items():
        patch[name] = _value(before.get(name), value)
    return patch


def _value(before: Any, wanted: Any) -> Any:
    if not isinstance(wanted, dict):
        return wanted
    return _patch(before if isinstance(before, dict) else {}, wanted)
