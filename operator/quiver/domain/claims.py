"""Where a claim is stored, and when the operator trusts it.

`status.claim` holds the claim, since tenants cannot write a status. Until the operator writes the
first status, an annotation holds it. Anyone who may edit the object may write that annotation, so
the operator trusts it only with its own signature.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import msgspec

from quiver.domain.collections import Claim, VectorCollection
from quiver.domain.conditions import ready_reason
from quiver.domain.kubernetes_types import GROUP, Key, Manifest
from quiver.domain.reasons import Reason

CLAIM_ANNOTATION = f"{GROUP}/claim"
FINALIZER = f"{GROUP}/collection"
VERIFIED = "verifiedClaim"
"""A field of cached manifests, unknown to the API server: the claim of a trusted annotation."""
PARTITIONS = "partitions"
"""In the annotation and in VERIFIED: how many partitions were reserved with the claim."""
KEY_BYTES = 32
LONGEST_ANNOTATION = 4096
"""Characters; a signed claim with the longest names takes less than a third of it."""


class ClaimKeys:
    """Signs claims and verifies their signatures (HMAC-SHA256).

    The first key signs, and each key verifies, so that keys can be rotated while collections are
    being created. Without a key no signature is valid.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self.replace(keys)

    def replace(self, keys: Sequence[bytes]) -> None:
        """Replace the keys. Each must have at least 32 bytes."""
        assert all(len(key) >= KEY_BYTES for key in keys)
        self._keys = tuple(keys)

    def signed(self, claim: Claim, partitions: int = 0) -> str:
        """Return the annotation's text: the claim, how many partitions are reserved with it, and
        the signature of both.
        """
        signature = _signature(self._keys[0], claim, partitions)
        fields = {**msgspec.to_builtins(claim), PARTITIONS: partitions, "signature": signature}
        return msgspec.json.encode(fields).decode()

    def believed(self, text: str) -> Claim | None:
        """Return the claim of an annotation's text; None unless one of the keys has signed it."""
        found = self.verified_fields(text)
        return None if found is None else msgspec.convert(found, Claim)

    def verified_fields(self, text: str) -> dict[str, Any] | None:
        """Return the claim of an annotation's text with its number of partitions, as JSON has them;
        None unless one of the keys has signed both.
        """
        if len(text) > LONGEST_ANNOTATION:
            return None
        try:
            claim = msgspec.json.decode(text, type=Claim)
            beside = msgspec.json.decode(text, type=_Beside)
            found = beside.signature.encode()
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return None
        expected = [_signature(key, claim, beside.partitions).encode() for key in self._keys]
        if not any(hmac.compare_digest(each, found) for each in expected):
            return None
        return {**msgspec.to_builtins(claim), PARTITIONS: beside.partitions}


class _Beside(msgspec.Struct):
    signature: str
    partitions: int = 0


def _signature(key: bytes, claim: Claim, partitions: int) -> str:
    signed = msgspec.json.encode((*msgspec.structs.astuple(claim), partitions))
    return hmac.new(key, signed, hashlib.sha256).hexdigest()


def verified(manifest: Manifest, keys: ClaimKeys) -> Manifest:
    """Return a VectorCollection's manifest without the claim's annotation.

    If the operator trusts the annotation and the status has no claim, VERIFIED holds the claim.
    """
    metadata: Manifest = manifest["metadata"]
    text = metadata.get("annotations", {}).get(CLAIM_ANNOTATION)
    kept = {key: value for key, value in manifest.items() if key != VERIFIED}
    if text is None:
        return kept
    annotations = {k: v for k, v in metadata["annotations"].items() if k != CLAIM_ANNOTATION}
    kept["metadata"] = {**metadata, "annotations": annotations}
    found = None if "claim" in manifest.get("status", {}) else keys.verified_fields(text)
    return kept if found is None else {**kept, VERIFIED: found}


def claim_of(manifest: Manifest) -> Claim | None:
    """Return the claim of a VectorCollection, given its manifest from the cache.

    It must carry the object's own uid: a copied or restored object inherits no claim. An object
    that Quiver has released, and others hold, claims nothing any more.
    """
    if is_released(manifest):
        return None
    claim = _decoded(manifest.get("status", {}).get("claim") or manifest.get(VERIFIED))
    return claim if claim is not None and claim.object_uid == manifest["metadata"]["uid"] else None


def is_endpoint(member: str) -> bool:
    """Tell whether a claim's member is an external endpoint, and not a pod."""
    return ":" in member


def places_of(claim: Claim, engine: Key) -> frozenset[tuple[str, object, str]]:
    """Return the places to search for other claims of the same collection; `engine` is the object's
    own.

    Two claims with a place in common are of one collection, or of two collections that must not
    share a name: a name is unique within a VectorEngine, and on an external server across all
    VectorEngines that lead to it. A pod's server is no such place: two pods with copies of one
    volume report the same server.
    """
    name = claim.collection_name
    places = {("engine", engine, name), ("uid", claim.engine_uid, name)}
    if ":" in claim.member:
        places |= {("endpoint", claim.member, name), ("server", claim.server or claim.member, name)}
    return frozenset(places)


def known_places_of(claim: Claim, engine: Key) -> frozenset[tuple[str, object, str]]:
    """Return the places under which a claim is found: its server too, since the claim of an
    external endpoint may search there for the claim of a pod.
    """
    server = ("server", claim.server or claim.member, claim.collection_name)
    return places_of(claim, engine) | {server}


def is_unplaced(claim: Claim) -> bool:
    """Tell whether the claim is on an external server that it does not identify, as claims of the
    previous release are.
    """
    return claim.server is None and ":" in claim.member


def retained_as(claim: Claim) -> str:
    """Return the key in an engine's `status.retained` for the collection, once it is retained."""
    return f"{claim.server}/{claim.collection_name}"


def reserved_partitions_of(manifest: Manifest) -> int:
    """Return how many partitions were reserved with a claim that is not in the status yet.

    They may exist already: the operator may have ended before it wrote the first status.
    """
    if has_status_claim(manifest) or claim_of(manifest) is None:
        return 0
    found: int = manifest[VERIFIED][PARTITIONS]
    return found


def has_status_claim(manifest: Manifest) -> bool:
    """Tell whether the status holds a claim. The operator then ignores the annotation."""
    return "claim" in manifest.get("status", {})


def has_finalizer(manifest: Manifest) -> bool:
    return FINALIZER in manifest["metadata"].get("finalizers", ())


def recording_patch(collection: VectorCollection, annotation: str) -> Manifest:
    """Return the merge patch that adds the signed claim and the finalizer."""
    patch = finalizing_patch(collection)
    patch["metadata"]["annotations"] = {CLAIM_ANNOTATION: annotation}
    return patch


def replacing_status(claim: Claim) -> Manifest:
    """Return the merge patch of a status that replaces its claim, each field of it."""
    nothing = {field.encode_name: None for field in msgspec.structs.fields(Claim)}
    return {"claim": nothing | msgspec.to_builtins(claim)}


def finalizing_patch(collection: VectorCollection) -> Manifest:
    """Return the merge patch that adds the finalizer."""
    return {"metadata": {"finalizers": [*other_finalizers(collection), FINALIZER]}}


def releasing_patch(collection: VectorCollection) -> Manifest:
    """Return the merge patch that removes Quiver's finalizer and no other."""
    return {"metadata": {"finalizers": other_finalizers(collection) or None}}


def other_finalizers(collection: VectorCollection) -> list[str]:
    """Return the finalizers that are not Quiver's."""
    return [f for f in collection.metadata.finalizers if f != FINALIZER]


def is_released(manifest: Manifest) -> bool:
    """Tell whether Quiver has let the object go, and others hold it."""
    is_going = "deletionTimestamp" in manifest["metadata"] and not has_finalizer(manifest)
    return is_going and ready_reason(manifest) == Reason.RELEASED


def _decoded(found: Any) -> Claim | None:
    try:
        return None if found is None else msgspec.convert(found, Claim)
    except msgspec.ValidationError:
        return None
