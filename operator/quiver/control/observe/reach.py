"""Says at the operator's start what its rights leave out."""

import logging

from quiver.domain.kubernetes_types import COLLECTIONS_CRD, CRD
from quiver.domain.rights import Rights
from quiver.ports.api import Api
from quiver.ports.errors import ApiError, ApiRefused

log = logging.getLogger(__name__)


async def log_lack_of_crd(api: Api, rights: Rights) -> None:
    """Say so if the operator may not read what tells it whether all objects are being deleted."""
    try:
        await api.get(CRD, COLLECTIONS_CRD)
    except ApiRefused as error:
        if rights.is_cluster_wide:
            effect = "no collection is dropped: objects that are deleted wait (ApplyRefused)"
        else:
            effect = "its deletion would drop all collections, but for those that are retained"
        log.warning(
            "cannot read CustomResourceDefinition %s, so %s: %s",
            COLLECTIONS_CRD.name,
            effect,
            error,
        )
    except ApiError as error:
        log.debug("CustomResourceDefinition %s was not read: %s", COLLECTIONS_CRD.name, error)


def log_reach(rights: Rights) -> None:
    if rights.is_cluster_wide:
        return
    log.info("watching namespaces %s and no others", ", ".join(rights.namespaces))
    log.warning(
        "not installed cluster-wide: there are no admission policies, so what they would refuse is"
        " reported in conditions later; and no node is read, so a segment is not checked against"
        " the memory of the node's GPUs"
    )
