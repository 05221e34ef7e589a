"""Decisions after the API server has refused a read or a step."""

from dataclasses import replace

from quiver.domain.claims import claim_of
from quiver.domain.collections import VectorCollection
from quiver.domain.kubernetes_types import Manifest
from quiver.ports.errors import ApiRefused
from quiver.reconcile.collections.decision import (
    ApplySecret,
    Decision,
    DeleteSecret,
    KeepFinalizer,
    NoteRetained,
    RecordClaim,
    RecordLoss,
    RecordRelease,
    Release,
    ReplaceClaim,
    Step,
)
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.outcomes import without_steps
from quiver.reconcile.refusals import refused

_CONVERGED = "The collection itself is as the spec says."
_READ = "a read"
"""Before a step on the engine, the object and the pod are read again."""
_PARTS: dict[type[Step], str] = {
    RecordClaim: "the claim",
    ReplaceClaim: "the claim",
    KeepFinalizer: "the finalizer",
    Release: "the removal of the finalizer",
    NoteRetained: "the status of the VectorEngine",
    RecordLoss: "the status",
    RecordRelease: "the status",
}


def after_refused_read(
    manifest: Manifest, collection: VectorCollection, error: ApiRefused
) -> Decision:
    """Return the decision while the API server does not let the operator read what it needs."""
    unread = Gathered(manifest=manifest, collection=collection, claim=claim_of(manifest))
    return without_steps(unread, refused(_READ, error), retry=True)


def after_refused_step(g: Gathered, decision: Decision, step: Step, error: ApiRefused) -> Decision:
    """Return the decision after the API server has refused a step. The effects of the steps before
    it remain. The Secrets come last: the collection is then as the spec says.
    """
    if isinstance(step, ApplySecret | DeleteSecret):
        verdict = refused(_refused_part(step), error, _CONVERGED)
        published = g.collection.status.binding
        return replace(decision, verdict=verdict, retry=True, binding=published)
    return without_steps(g, refused(_refused_part(step), error), retry=True)


def _refused_part(step: Step) -> str:
    match step:
        case ApplySecret(manifest):
            return f"Secret {manifest['metadata']['name']!r}"
        case DeleteSecret(manifest):
            return f"the deletion of Secret {manifest['metadata']['name']!r}"
        case _:
            return _PARTS.get(type(step), _READ)
