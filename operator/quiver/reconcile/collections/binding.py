"""The Secret from which an application reads where its collection is (servicebinding.io)."""

import base64

from quiver.domain.collection_names import split_name
from quiver.domain.collections import Placement, VectorCollection
from quiver.domain.kubernetes_types import MANAGED_BY, MANAGED_BY_LABEL, VECTOR_COLLECTION, Manifest
from quiver.domain.manifests import owner_reference, owner_uids
from quiver.reconcile.collections.decision import ApplySecret, DeleteSecret, Step
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.matching import matches

TLS_ENTRY, CA_ENTRY, DATABASE_ENTRY = "tls", "ca.crt", "database"


def foreign_secret(g: Gathered) -> Manifest | None:
    """Return the Secret that has the name of the wanted one and is not this object's, if there is
    one.
    """
    wanted = g.collection.spec.binding
    found = g.secrets.get(wanted.secret_name) if wanted else None
    return None if found is None or _is_ours(found, g.collection) else found


def is_blocked(g: Gathered) -> bool:
    """Tell whether the wanted Secret cannot be published, so that the one that was published before
    stays.
    """
    return g.secrets_refusal is not None or foreign_secret(g) is not None


def binding_steps(g: Gathered, placement: Placement) -> list[Step]:
    """Return the steps after which the wanted Secret, and no other of this object's, is
    published.
    """
    wanted, steps = g.collection.spec.binding, list[Step]()
    if wanted is not None:
        desired = _secret(g, wanted.secret_name, placement)
        if not _is_published(desired, g.secrets.get(wanted.secret_name)):
            steps.append(ApplySecret(desired))
    for name, secret in g.secrets.items():
        if _is_ours(secret, g.collection) and (wanted is None or name != wanted.secret_name):
            steps.append(DeleteSecret(secret))
    return steps


def _is_published(desired: Manifest, live: Manifest | None) -> bool:
    """Tell whether the Secret has all the wanted entries, and no other entry about TLS."""
    if live is None or not matches(desired, live):
        return False
    return not ({TLS_ENTRY, CA_ENTRY} & live["data"].keys()) - desired["data"].keys()


def _is_ours(secret: Manifest, collection: VectorCollection) -> bool:
    return collection.metadata.uid in owner_uids(secret)


def _secret(g: Gathered, name: str, placement: Placement) -> Manifest:
    host, _, port = placement.endpoint.rpartition(":")
    database, collection = split_name(g.collection_name)
    entries = {
        "type": "milvus",
        "provider": "quiver",
        "host": host.strip("[]"),
        "port": port,
        "collection": collection,
    }
    if g.loads:
        entries[DATABASE_ENTRY] = database
    if g.access.tls is not None:
        entries[TLS_ENTRY] = "true"
        if g.access.tls.ca is not None:
            entries[CA_ENTRY] = g.access.tls.ca.decode("ascii")
    metadata = g.collection.metadata
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": metadata.namespace,
            "labels": {MANAGED_BY_LABEL: MANAGED_BY},
            "ownerReferences": [owner_reference(VECTOR_COLLECTION, metadata)],
        },
        "type": "servicebinding.io/milvus",
        "data": {key: base64.b64encode(v.encode()).decode() for key, v in entries.items()},
    }
