"""The objects that a managed VectorEngine becomes: as they should be, and as they are."""

from itertools import islice
from typing import NamedTuple

from quiver.domain.conditions import Verdict
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import (
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    STATEFUL_SET,
    VECTOR_ENGINE,
    Kind,
    Manifest,
)
from quiver.domain.manifests import is_about_to_go
from quiver.domain.possession import is_left_behind, is_part_of
from quiver.domain.reasons import Reason
from quiver.domain.text import one_line
from quiver.reconcile.engines.answers import Answer, differences_of
from quiver.reconcile.engines.disruption_budget import disruption_budget_for
from quiver.reconcile.engines.gather import Gathered
from quiver.reconcile.engines.network_policy import network_policy_for, wants_network_policy
from quiver.reconcile.engines.workload import service_for

CHANGES = 5
"""Changes of one manifest that a message names."""
CHANGE = 200
"""Characters of each."""
_CURES = {
    NETWORK_POLICY: "Remove or rename it, or set spec.networkPolicy.enabled to false.",
    POD_DISRUPTION_BUDGET: (
        "Remove or rename it: Quiver makes one of that name, since the engine has no spec.storage."
    ),
}
_CURE = "Remove it, or name the engine differently."


class Part(NamedTuple):
    kind: Kind
    desired: Manifest
    live: Manifest | None


def parts_of(gathered: Gathered, stateful_set: Manifest) -> tuple[Part, ...]:
    """Return the parts, with this StatefulSet, in the order in which they are applied: what guards
    the pods comes first, so that no new pod is open to everyone, or may be evicted, for a moment.
    """
    engine = gathered.engine
    parts = [
        Part(SERVICE, service_for(engine), gathered.service),
        Part(STATEFUL_SET, stateful_set, gathered.stateful_set),
    ]
    if engine.spec.is_ephemeral:
        budget = disruption_budget_for(engine)
        parts.insert(0, Part(POD_DISRUPTION_BUDGET, budget, gathered.disruption_budget))
    if wants_network_policy(engine):
        policy = network_policy_for(engine, gathered.operator_pods)
        parts.insert(0, Part(NETWORK_POLICY, policy, gathered.network_policy))
    return tuple(parts)


def unwanted_network_policy(gathered: Gathered) -> tuple[tuple[Kind, Manifest], ...]:
    live = gathered.network_policy
    if live is None or wants_network_policy(gathered.engine):
        return ()
    return ((NETWORK_POLICY, live),) if is_owned(live, gathered.engine) else ()


def taken_name(gathered: Gathered) -> Verdict | None:
    """Return the verdict on an object that has the name of a part and is not the engine's."""
    engine = gathered.engine
    found = [(STATEFUL_SET, gathered.stateful_set), (SERVICE, gathered.service)]
    if wants_network_policy(engine):
        found.append((NETWORK_POLICY, gathered.network_policy))
    if engine.spec.is_ephemeral:
        found.append((POD_DISRUPTION_BUDGET, gathered.disruption_budget))
    for kind, live in found:
        if live is not None and not is_owned(live, engine):
            return _name_taken(kind, live, engine)
    return None


def _name_taken(kind: Kind, live: Manifest, engine: VectorEngine) -> Verdict:
    what = f"{kind.kind} {engine.metadata.name!r}"
    if is_about_to_go(live, VECTOR_ENGINE, engine.metadata) or is_left_behind(live):
        message = f"The {what} of an earlier VectorEngine is still there. It is removed first."
        return Verdict.reconciling(Reason.NAME_TAKEN, message)
    message = (
        f"A {what} that is not this engine's exists in the namespace, and is left alone. "
        f"{_CURES.get(kind, _CURE)}"
    )
    return Verdict.stalled(Reason.NAME_TAKEN, message)


def is_owned(live: Manifest, engine: VectorEngine) -> bool:
    return is_part_of(live, engine.metadata.uid)


def is_stale(gathered: Gathered, part: Part) -> bool:
    """Tell whether to apply the part. If the live object is what the API server made of it, it
    would do so again.
    """
    if part.live is None:
        return True
    found = tuple(differences_of(part.kind, part.desired, part.live))
    return bool(found) and gathered.answers.get(part.kind) != Answer(part.desired, found)


def with_changes(verdict: Verdict, parts: tuple[Part, ...]) -> Verdict:
    """Return the verdict with what an admission policy or webhook has changed in the parts."""
    changes = [change for part in parts for change in _changes(part)]
    if not changes:
        return verdict
    told = "An admission policy or webhook changes what Quiver applies"
    return verdict._replace(message=f"{verdict.message} {told}: {'; '.join(changes)}.")


def _changes(part: Part) -> list[str]:
    name = part.desired["metadata"]["name"]
    found = islice(differences_of(part.kind, part.desired, part.live or {}), CHANGES)
    return [f"{part.kind.kind} {name!r}: {one_line(change, CHANGE)}" for change in found]
