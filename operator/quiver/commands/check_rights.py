"""Checks of what the caller may do, by asking the API server itself."""

import asyncio
from typing import NamedTuple

from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.commands.findings import Finding, Level, ok, warning
from quiver.commands.reading import place
from quiver.domain.kubernetes_types import GROUP, Kind
from quiver.ports.errors import ApiRefused

REVIEW = Kind("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview")
AT_ONCE = 8


class Right(NamedTuple):
    """Verbs on a resource (PLURAL.GROUP/SUBRESOURCE), what they are for, and how bad it is to lack
    one.
    """

    verbs: tuple[str, ...]
    resource: str
    purpose: str
    without: Level = "warning"


RIGHTS = (
    Right(("get", "list"), f"vectorcollections.{GROUP}", "to see collections", "failed"),
    Right(("create", "update", "patch", "delete"), f"vectorcollections.{GROUP}", "to change them"),
    Right(("get", "list"), f"vectorengines.{GROUP}", "to see engines", "failed"),
    Right(("list",), "pods", "to see engines' pods"),
    Right(("get", "create"), "pods/portforward", "to ask engines in pods: plan, import, check"),
    Right(("get",), "pods/log", "to put logs into a report"),
    Right(("list",), "events.events.k8s.io", "to see what happened"),
)


async def check_rights(api: KubernetesClient, namespace: str) -> list[Finding]:
    """Check the caller's rights in a namespace; in all of them, if it is empty."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def ask(right: Right) -> Finding:
        async with turns:
            return await _right(api, namespace, right)

    return list(await asyncio.gather(*map(ask, RIGHTS)))


async def _right(api: KubernetesClient, namespace: str, right: Right) -> Finding:
    name = right.resource.partition(".")[0]
    what = f"right to {', '.join(right.verbs)} {name}"
    where = place(namespace)
    try:
        denied = [v for v in right.verbs if not await _may(api, namespace, v, right.resource)]
    except ApiRefused as error:
        return warning(what, f"it cannot be asked for: {error}", "ask whoever runs the cluster")
    if not denied:
        return ok(what, f"in {where}, {right.purpose}")
    told = f"you may not {', '.join(denied)} them in {where}, {right.purpose}"
    cure = (
        "ask an admin of the namespace for the cluster role edit there (view to read alone), which "
        "has Quiver's kinds by the chart's rbac.aggregate; or name a namespace of yours with -n"
    )
    return Finding(right.without, what, told, cure)


async def _may(api: KubernetesClient, namespace: str, verb: str, resource: str) -> bool:
    full, _, subresource = resource.partition("/")
    plural, _, group = full.partition(".")
    attributes = {"verb": verb, "group": group, "resource": plural, "subresource": subresource}
    review = await api.create(
        REVIEW,
        {
            "apiVersion": REVIEW.api_version,
            "kind": REVIEW.kind,
            "metadata": {"namespace": ""},
            "spec": {"resourceAttributes": {**attributes, "namespace": namespace}},
        },
    )
    return bool(review["status"].get("allowed"))
