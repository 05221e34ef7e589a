"""Whose collection is whose: what claims mean, in this model's own words."""

import base64
from functools import lru_cache

import msgspec

from quiver.control.claim_keys import SECRET_NAME
from quiver.domain.claims import (
    CLAIM_ANNOTATION,
    PARTITIONS,
    ClaimKeys,
    claim_of,
    is_released,
)
from quiver.domain.collections import Claim
from quiver.domain.kubernetes_types import SECRET, Manifest
from simulation.api_server import ApiServer, Write
from simulation.engines import Fleet, Home
from simulation.history import engine_key


class Claims:
    """Reads claims as they stand in the API server. What no operator ever signed is none."""

    def __init__(self, server: ApiServer, fleet: Fleet) -> None:
        self._fleet = fleet
        self._keys = ClaimKeys()
        self._known: list[bytes] = []
        self._believed = lru_cache(maxsize=4096)(self._keys.believed)
        server.observers.append(self._note)

    def of(self, manifest: Manifest) -> Claim | None:
        """Return the claim that a VectorCollection holds. What was released holds none."""
        if is_released(manifest):
            return None
        if "claim" in manifest.get("status", {}):
            return claim_of(manifest)
        text = manifest["metadata"].get("annotations", {}).get(CLAIM_ANNOTATION)
        claim = self._believed(text) if text is not None else None
        is_own = claim is not None and claim.object_uid == manifest["metadata"]["uid"]
        return claim if is_own else None

    def size_of(self, manifest: Manifest) -> int:
        """Return how many collections and partitions a VectorCollection with a claim counts as.

        What was reserved with a claim counts until the status has the claim: it may exist.
        """
        status = manifest["status"]
        there = len(partitions_there(status))
        if "claim" in status:
            return 1 + there
        text = manifest["metadata"]["annotations"][CLAIM_ANNOTATION]
        reserved: int = msgspec.json.decode(text)[PARTITIONS]
        return 1 + max(there, reserved)

    def held(self, manifest: Manifest) -> tuple[Home, str] | None:
        """Return the member and the collection that a VectorCollection claims."""
        claim = self.of(manifest)
        if claim is None:
            return None
        return self._fleet.home_of(claim, engine_key(manifest)), claim.collection_name

    def policy_of(self, manifest: Manifest, engine: Manifest | None) -> str:
        """Return what is to become of the collection."""
        own = manifest["spec"].get("deletionPolicy")
        if own:
            return str(own)
        claim = self.of(manifest)
        if claim is not None and claim.origin == "Adopted":
            return "Retain"
        default = (engine or {}).get("spec", {}).get("defaultDeletionPolicy")
        return str(default or "Delete")

    def _note(self, write: Write) -> None:
        if write.kind == SECRET and write.key.name == SECRET_NAME and write.new is not None:
            found = map(base64.b64decode, write.new["data"].values())
            self._known += [key for key in found if key not in self._known]
            self._keys.replace(self._known)
            self._believed.cache_clear()


def partitions_there(status: Manifest) -> list[str]:
    """Return the tags that exist by what the status says."""
    return [*status.get("partitions", ()), *status.get("retainedPartitions", ())]
