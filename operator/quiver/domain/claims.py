"""Where a claim is written, and when it counts."""

from functools import lru_cache

import msgspec

from quiver.domain.collections import Claim, VectorCollection
from quiver.domain.objects import GROUP, Manifest

CLAIM_ANNOTATION = f"{GROUP}/claim"
FINALIZER = f"{GROUP}/collection"


def encode_claim(claim: Claim) -> str:
    return msgspec.json.encode(claim).decode()


def claim_of(manifest: Manifest) -> Claim | None:
    """Return the claim that a VectorCollection holds, from its annotation or else from its status.

    `kubectl replace` wipes the annotation and leaves the status; a copy brings along the annotation
    of another uid, which counts for nothing.
    """
    uid = manifest["metadata"]["uid"]
    for claim in (_annotated(manifest), _in_status(manifest)):
        if claim is not None and claim.object_uid == uid:
            return claim
    return None


def is_recorded(manifest: Manifest, claim: Claim) -> bool:
    """Tell whether annotation and finalizer stand as they must before anything is created."""
    return _annotated(manifest) == claim and FINALIZER in manifest["metadata"].get("finalizers", ())


def recording_patch(collection: VectorCollection, claim: Claim) -> Manifest:
    """Return the merge patch that writes claim and finalizer at once."""
    return {
        "metadata": {
            "annotations": {CLAIM_ANNOTATION: encode_claim(claim)},
            "finalizers": [*_other_finalizers(collection), FINALIZER],
        }
    }


def releasing_patch(collection: VectorCollection) -> Manifest:
    """Return the merge patch that takes the finalizer away and leaves other people's."""
    return {"metadata": {"finalizers": _other_finalizers(collection) or None}}


def _other_finalizers(collection: VectorCollection) -> list[str]:
    return [f for f in collection.metadata.finalizers if f != FINALIZER]


def _annotated(manifest: Manifest) -> Claim | None:
    text = manifest["metadata"].get("annotations", {}).get(CLAIM_ANNOTATION)
    return None if text is None else _decode(text)


def _in_status(manifest: Manifest) -> Claim | None:
    found = manifest.get("status", {}).get("claim")
    try:
        return None if found is None else msgspec.convert(found, Claim)
    except msgspec.ValidationError:
        return None


# Each placement looks at all claims of its engine: decoding each text once keeps that linear.
@lru_cache(maxsize=65536)
def _decode(text: str) -> Claim | None:
    try:
        return msgspec.json.decode(text, type=Claim)
    except msgspec.DecodeError:
        return None
