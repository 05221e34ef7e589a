"""Remembers in what the API server's answers differed from the manifests that were applied.

An admission policy or webhook may change a manifest while it is applied. To apply it again would
change nothing.
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from quiver.domain.kubernetes_types import (
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    Key,
    Kind,
    Manifest,
)
from quiver.reconcile.engines.workload import bounded_spec
from quiver.reconcile.matching import differences

AGAIN_S = 600.0
"""How long an answer counts. Then the manifest is applied again: the policy may be gone."""


GUARDS = (NETWORK_POLICY, POD_DISRUPTION_BUDGET)
"""What guards the pods. No pod restarts where one of these is applied."""


def differences_of(kind: Kind, desired: Manifest, live: Manifest) -> Iterator[str]:
    """Yield a phrase for each field in which the live object is not as `desired` asks for."""
    return _guard_differences(desired, live) if kind in GUARDS else differences(desired, live)


def _guard_differences(desired: Manifest, live: Manifest) -> Iterator[str]:
    """Compare the whole spec: what others add to it, which `differences` accepts, would allow more:
    a further rule of a NetworkPolicy, or a selector that leaves pods out.
    """
    yield from differences({**desired, "spec": {}}, live)
    wanted, found = desired["spec"], live.get("spec", {})
    if found == bounded_spec(wanted):
        return
    for field in sorted(wanted.keys() | found.keys()):
        if wanted.get(field) != found.get(field):
            yield f"spec.{field} is {found.get(field)!r}"


class Answer(NamedTuple):
    """In what the API server's answer to the manifest `desired` differed from it."""

    desired: Manifest
    differences: tuple[str, ...]


class Answers:
    """The answers of the last minutes that differed from what was applied."""

    def __init__(self) -> None:
        self._answers: dict[Key, dict[Kind, tuple[Answer, float]]] = {}

    def note(self, kind: Kind, desired: Manifest, live: Manifest) -> None:
        """Note `live`, the API server's answer to the manifest."""
        answers = self._answers.setdefault(Key.of(desired), {})
        answers.pop(kind, None)
        if found := tuple(differences_of(kind, desired, live)):
            until = asyncio.get_running_loop().time() + AGAIN_S
            answers[kind] = (Answer(desired, found), until)

    def of(self, key: Key) -> Mapping[Kind, Answer]:
        """Return the answers about the objects of this name."""
        now, found = asyncio.get_running_loop().time(), self._answers.get(key, {})
        return {kind: answer for kind, (answer, until) in found.items() if now < until}

    def forget(self, key: Key) -> None:
        self._answers.pop(key, None)
