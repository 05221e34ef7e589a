"""A tenant that writes what is the operator's to write, and what must be left of it."""

import json
from dataclasses import dataclass, replace
from typing import Any

from quiver.domain.claims import CLAIM_ANNOTATION, FINALIZER
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Key, Manifest
from quiver.ports.errors import ApiRefused, NotFound
from support.admin_api import AdminApi
from support.answers import is_the_elder
from support.namespaces import Namespace
from support.waiting import eventually

ADOPTING = {"adoptionPolicy": "IfIdentical", "deletionPolicy": "Delete"}
"""What somebody says who wants to have, and then to drop, what is there."""


@dataclass(frozen=True)
class Tenant:
    """Who has the cluster role `edit` in a namespace of its own, and nothing else."""

    namespace: str
    api: AdminApi

    def at(self, world: Namespace) -> Namespace:
        """Return the tenant's namespace, whose collections are to be on the engine of `world`."""
        engine_namespace = world.engine_namespace or world.namespace
        return replace(
            world, namespace=self.namespace, api=self.api, engine_namespace=engine_namespace
        )

    async def has_rights(self) -> bool:
        """Tell whether the API server knows of the tenant's rights yet."""
        try:
            await self.api.get(VECTOR_COLLECTION, Key(self.namespace, "none"))
        except NotFound:
            return True
        except ApiRefused:
            return False
        raise AssertionError("there is no such object")

    async def with_engine(self, world: Namespace, endpoint: str) -> Namespace:
        """Return the tenant's namespace with an external engine of its own at the endpoint."""
        own = replace(world, namespace=self.namespace, api=self.api, engine_namespace=None)
        await own.create(VECTOR_ENGINE, "engine", {"external": {"endpoints": [endpoint]}})
        return own

    async def with_elder_engine(self, world: Namespace, endpoint: str) -> Namespace:
        """Do the same before the world's own engine: that is made anew, and younger."""
        spec = (await world.get("engine", VECTOR_ENGINE))["spec"]
        await world.give_up_engine()
        own = await self.with_engine(world, endpoint)
        await is_the_elder(own, "engine", VECTOR_ENGINE)
        await world.create(VECTOR_ENGINE, "engine", spec)
        return own


def claimed_by(manifest: Manifest, victim: Manifest, **fields: Any) -> Manifest:
    """Return a claim to what `victim` claims, with the uid of `manifest`."""
    return {**victim["status"]["claim"], "objectUID": manifest["metadata"]["uid"], **fields}


async def forge(thief: Namespace, name: str, victim: Manifest, **fields: Any) -> None:
    """Write a claim to what `victim` claims onto the thief's object, as its annotation, with the
    finalizer and with the signature of the victim's own claim.
    """
    signed = json.loads(victim["metadata"]["annotations"][CLAIM_ANNOTATION])
    claim = {**signed, **claimed_by(await thief.get(name), victim, **fields)}
    await annotate(thief, name, json.dumps(claim))


async def annotate(thief: Namespace, name: str, claim: str) -> None:
    """Write annotation and finalizer, as soon as the API server has forgotten the policy."""
    metadata = {"annotations": {CLAIM_ANNOTATION: claim}, "finalizers": [FINALIZER]}

    async def is_written() -> bool:
        try:
            await thief.patch(name, {"metadata": metadata})
        except ApiRefused:
            return False
        return True

    await eventually(is_written, f"{name} has the annotation")


async def put_status_claim(admin: Namespace, name: str, claim: Manifest | None) -> None:
    """Write a claim into the status, as an administrator does who restores a cluster."""
    await patch_status(admin, name, {"claim": claim})


async def patch_status(admin: Namespace, name: str, status: Manifest) -> None:
    key = Key(admin.namespace, name)
    await admin.api.patch(VECTOR_COLLECTION, key, {"status": status}, subresource="status")
