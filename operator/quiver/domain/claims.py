"""Where a claim stands, and when it is believed.

`status.claim` is the claim: tenants cannot write a status. Until the first status is written the
claim stands in an annotation, which anyone may write who may edit the object: it is believed only
where the operator has signed it.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import msgspec

from quiver.domain.collections import Claim, VectorCollection
from quiver.domain.kubernetes_types import GROUP, Key, Manifest

CLAIM_ANNOTATION = f"{GROUP}/claim"
FINALIZER = f"{GROUP}/collection"
VERIFIED = "verifiedClaim"
"""A field that manifests have in the operator's memory alone: the annotation, once it is believed.
"""
KEY_BYTES = 32
LONGEST_ANNOTATION = 4096
"""Characters; a signed claim with the longest names takes less than a third of it."""


class ClaimKeys:
    """Signs claims, and tells those that it has signed from others (HMAC-SHA256).

    Of several keys the first signs and all are believed, so that a key can be turned while
    creations are under way. Without a key nothing is believed.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self.replace(keys)

    def replace(self, keys: Sequence[bytes]) -> None:
        """Use these keys from now on, of 32 bytes or more each."""
        assert all(len(key) >= KEY_BYTES for key in keys)
        self._keys = tuple(keys)

    def signed(self, claim: Claim) -> str:
        """Return the text of the annotation."""
        signature = _signature(self._keys[0], claim)
        fields = {**msgspec.to_builtins(claim), "signature": signature}
        return msgspec.json.encode(fields).decode()

    def believed(self, text: str) -> Claim | None:
        """Return the claim of an annotation's text; None unless it is signed by one of the keys."""
        if len(text) > LONGEST_ANNOTATION:
            return None
        try:
            claim = msgspec.json.decode(text, type=Claim)
            found = msgspec.json.decode(text, type=_Signature).signature.encode()
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return None
        expected = [_signature(key, claim).encode() for key in self._keys]
        return claim if any(hmac.compare_digest(each, found) for each in expected) else None


class _Signature(msgspec.Struct):
    signature: str


def _signature(key: bytes, claim: Claim) -> str:
    signed = msgspec.json.encode(msgspec.structs.astuple(claim))
    return hmac.new(key, signed, hashlib.sha256).hexdigest()


def verified(manifest: Manifest, keys: ClaimKeys) -> Manifest:
    """Return a VectorCollection's manifest with the annotation of the claim taken out and, where it
    is believed, as the verified claim instead.
    """
    metadata: Manifest = manifest["metadata"]
    text = metadata.get("annotations", {}).get(CLAIM_ANNOTATION)
    kept = {key: value for key, value in manifest.items() if key != VERIFIED}
    if text is None:
        return kept
    annotations = {k: v for k, v in metadata["annotations"].items() if k != CLAIM_ANNOTATION}
    kept["metadata"] = {**metadata, "annotations": annotations}
    claim = None if "claim" in manifest.get("status", {}) else keys.believed(text)
    return kept if claim is None else {**kept, VERIFIED: msgspec.to_builtins(claim)}


def claim_of(manifest: Manifest) -> Claim | None:
    """Return the claim that a VectorCollection holds, from a manifest of the operator's cache.

    It counts only with the object's own uid: what is copied or restored inherits none.
    """
    claim = _decoded(manifest.get("status", {}).get("claim") or manifest.get(VERIFIED))
    return claim if claim is not None and claim.object_uid == manifest["metadata"]["uid"] else None


def places_of(claim: Claim, engine: Key) -> frozenset[tuple[str, object, str]]:
    """Return all that a claimed collection is looked up by, for an object that refers to `engine`.

    Claims with a place in common are of one collection, or of two that must not have one name: a
    name is unique in an engine, and on an external server whatever engines reach it. A pod is not
    looked up by its server: a copied volume makes two pods pass for one.
    """
    name = claim.collection_name
    places = {("engine", engine, name), ("uid", claim.engine_uid, name)}
    if ":" in claim.member:
        places |= {("endpoint", claim.member, name), ("server", claim.server or claim.member, name)}
    return frozenset(places)


def known_places_of(claim: Claim, engine: Key) -> frozenset[tuple[str, object, str]]:
    """Return all that a claimed collection is found by: an endpoint may lead to a pod."""
    server = ("server", claim.server or claim.member, claim.collection_name)
    return places_of(claim, engine) | {server}


def is_unplaced(claim: Claim) -> bool:
    """Tell whether nobody knows of which external server the claim, of the release before, is."""
    return claim.server is None and ":" in claim.member


def retained_as(claim: Claim) -> str:
    """Return what an engine's status calls a collection that its object has left there."""
    return f"{claim.server}/{claim.collection_name}"


def has_status_claim(manifest: Manifest) -> bool:
    """Tell whether a claim stands in the status, in which case the annotation says nothing."""
    return "claim" in manifest.get("status", {})


def has_finalizer(manifest: Manifest) -> bool:
    return FINALIZER in manifest["metadata"].get("finalizers", ())


def recording_patch(collection: VectorCollection, annotation: str) -> Manifest:
    """Return the merge patch that writes the signed claim and the finalizer at once."""
    patch = finalizing_patch(collection)
    patch["metadata"]["annotations"] = {CLAIM_ANNOTATION: annotation}
    return patch


def replacing_status(claim: Claim) -> Manifest:
    """Return what to merge into a status so that its claim is this one and nothing else."""
    nothing = {field.encode_name: None for field in msgspec.structs.fields(Claim)}
    return {"claim": nothing | msgspec.to_builtins(claim)}


def finalizing_patch(collection: VectorCollection) -> Manifest:
    """Return the merge patch that writes the finalizer."""
    return {"metadata": {"finalizers": [*_other_finalizers(collection), FINALIZER]}}


def releasing_patch(collection: VectorCollection) -> Manifest:
    """Return the merge patch that takes the finalizer away and leaves other people's."""
    return {"metadata": {"finalizers": _other_finalizers(collection) or None}}


def _other_finalizers(collection: VectorCollection) -> list[str]:
    return [f for f in collection.metadata.finalizers if f != FINALIZER]


def _decoded(found: Any) -> Claim | None:
    try:
        return None if found is None else msgspec.convert(found, Claim)
    except msgspec.ValidationError:
        return None
