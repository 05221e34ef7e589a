"""Checks of the operator: its Deployment, who leads, and the admission policies beside it."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from quiver import __version__
from quiver.commands.findings import Finding, failed, ok, warning
from quiver.commands.reading import Reading
from quiver.control.departure import DEPLOYMENT
from quiver.control.leader.election import LEASE, LEASE_NAME, SOMEBODY, Terms
from quiver.domain.kubernetes_types import Key, Kind, Manifest
from quiver.domain.text import one_line
from quiver.ports.errors import ApiRefused, NotFound

OPERATORS = "app.kubernetes.io/name=quiver"
"""The chart's labels, unless its nameOverride says something else."""
VERSION_LABEL = "app.kubernetes.io/version"
ADMISSION = "admissionregistration.k8s.io"
POLICY = Kind(ADMISSION, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy")
BINDING = Kind(
    ADMISSION, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding"
)
POLICIES = {
    "claims-are-the-operators": "Deny",
    "segment-fits": "Deny",
    "segment-is-tight": "Warn",
    "engine-takes": "Deny",
    "data-is-ephemeral": "Warn",
    "deletion-is-protected": "Deny",
}
"""How the names of the chart's policies end, and what their bindings do."""
RENEWED_WITHIN_S = 6.0
"""How long to wait for a renewal: leaders renew each two seconds."""


class Operators(NamedTuple):
    """Where operators are. `namespaces` has those of the Deployments, or where else they may be.
    `cluster_wide` are those among them that watch the whole cluster.
    """

    findings: list[Finding]
    namespaces: tuple[str, ...]
    cluster_wide: frozenset[str]


async def check_deployments(reading: Reading, told: Sequence[str], assumed: str) -> Operators:
    """Check the operators' Deployments: in all namespaces, or where these may not be listed, in
    those that `told` names (the status of engines does), else in `assumed`.
    """
    found = await reading.listed(DEPLOYMENT, "", OPERATORS)
    places = tuple(dict.fromkeys(told)) or (assumed,)
    if found is None:
        each = [await reading.listed(DEPLOYMENT, place, OPERATORS) for place in places]
        if all(listed is None for listed in each):
            why = next(iter(reading.unread.values()))
            cure = "ask whoever runs Quiver, or run this with their rights"
            unseen = warning("operator", f"its Deployment cannot be looked for: {why}", cure)
            return Operators([unseen], places, frozenset(places))
        found = [manifest for listed in each for manifest in listed or ()]
    if not found:
        missing = failed(
            "operator",
            f"there is no Deployment with the label {OPERATORS}",
            "install Quiver (docs/install.md). If it has another name, or runs outside the "
            "cluster, --operator-namespace says where its Lease is",
        )
        return Operators([missing], places, frozenset(places))
    namespaces = tuple(dict.fromkeys(Key.of(m).namespace for m in found))
    wide = frozenset(Key.of(m).namespace for m in found if not _is_narrow(m))
    return Operators([_deployment(m) for m in found], namespaces, wide)


def _is_narrow(deployment: Manifest) -> bool:
    """Tell whether the operator watches some namespaces alone."""
    containers = deployment["spec"]["template"]["spec"].get("containers") or ()
    given = [arg for container in containers for arg in container.get("args") or ()]
    return any(arg.startswith("--namespace") for arg in given)


def _deployment(manifest: Manifest) -> Finding:
    key, status = Key.of(manifest), manifest.get("status") or {}
    what = f"operator {key}"
    wanted, ready = manifest["spec"].get("replicas", 1), status.get("readyReplicas", 0)
    version = one_line(str((manifest["metadata"].get("labels") or {}).get(VERSION_LABEL, "?")))
    told = f"{ready} of {wanted} pods ready, version {version}"
    look = f"`kubectl -n {key.namespace} describe deployment,pods -l {OPERATORS}`, and its logs"
    if not ready:
        cure = f"collections and engines go on serving, but nothing changes; look at {look}"
        return failed(what, told, cure)
    if ready < wanted:
        return warning(what, told, f"look at {look}")
    if version != __version__:
        cure = f"this command is of version {__version__}: take one of the operator's version"
        return warning(what, told, cure)
    return ok(what, told)


async def check_lease(reading: Reading, namespace: str) -> Finding:
    """Check that somebody leads. Clocks of machines are not compared: a lease that looks old counts
    as alive if it is renewed while we look.
    """
    what, key = f"leader in {namespace}", Key(namespace, LEASE_NAME)
    try:
        lease = await reading.api.get(LEASE, key)
        if _age(lease) > Terms.duration:
            lease, before = await _renewed(reading, key, lease), lease
            if lease["spec"].get("renewTime") == before["spec"].get("renewTime"):
                told = f"{_holder(lease)} has not renewed its Lease for {_age(lease):.0f} s"
                return failed(what, told, "nobody leads; see whether the operator's pods run")
    except NotFound:
        cure = "see whether the operator's pods run, and which namespace is its own"
        return failed(what, f"there is no Lease {LEASE_NAME}", cure)
    except ApiRefused as error:
        cure = "ask whoever runs Quiver, or run this with their rights"
        return warning(what, f"the Lease cannot be read: {error}", cure)
    if not lease["spec"].get("holderIdentity") or lease["spec"]["holderIdentity"] == SOMEBODY:
        return warning(what, "nobody leads at the moment", "run this again in a minute")
    return ok(what, f"{_holder(lease)}, which renewed its Lease {max(0.0, _age(lease)):.0f} s ago")


async def _renewed(reading: Reading, key: Key, lease: Manifest) -> Manifest:
    """Return the lease once it is renewed, or as it is in the end."""
    end = asyncio.get_running_loop().time() + RENEWED_WITHIN_S
    found = lease
    while asyncio.get_running_loop().time() < end:
        await asyncio.sleep(1)
        found = await reading.api.get(LEASE, key)
        if found["spec"].get("renewTime") != lease["spec"].get("renewTime"):
            break
    return found


def _age(lease: Manifest) -> float:
    """Return the seconds since the lease was renewed, by this machine's clock."""
    try:
        renewed = datetime.fromisoformat(lease["spec"]["renewTime"])
    except (KeyError, TypeError, ValueError):
        return float("inf")
    return (datetime.now(UTC) - renewed).total_seconds()


def _holder(lease: Manifest) -> str:
    holder = str(lease["spec"].get("holderIdentity") or "nobody")
    return one_line(holder.rpartition("_")[0] or holder)


async def check_policies(reading: Reading, operators: Operators) -> list[Finding]:
    """Check the admission policies of each operator that watches the whole cluster."""
    narrow = [name for name in operators.namespaces if name not in operators.cluster_wide]
    findings = [
        ok(f"policies of {name}", "none: it watches some namespaces alone, by its chart's values")
        for name in narrow
    ]
    wide = [name for name in operators.namespaces if name in operators.cluster_wide]
    if not wide:
        return findings
    policies, bindings = await reading.listed(POLICY, ""), await reading.listed(BINDING, "")
    if policies is None or bindings is None:
        why = next(w for what, w in reading.unread.items() if what.startswith(POLICY.plural[:20]))
        cure = "run this as somebody who may list them"
        return [*findings, warning("admission policies", f"not looked at: {why}", cure)]
    return findings + [_policies(name, policies, bindings) for name in wide]


def _policies(
    namespace: str, policies: Sequence[Manifest], bindings: Sequence[Manifest]
) -> Finding:
    what, missing = f"policies of {namespace}", []
    for ending, action in POLICIES.items():
        own = {n for n in map(_name, policies) if _is_of(n, namespace, ending)}
        bound = [b["spec"] for b in bindings if b["spec"].get("policyName") in own]
        if not own:
            missing.append(f"{ending} is missing")
        elif not any(action in (spec.get("validationActions") or ()) for spec in bound):
            missing.append(f"{ending} has no binding that says {action}")
    if missing:
        cure = (
            "nothing is lost: what they refuse is reported in conditions later. Upgrade the "
            "release with admissionPolicies.enabled (charts/quiver/README.md)"
        )
        none = len(missing) == len(POLICIES) and all(each.endswith("missing") for each in missing)
        told = f"none of the {len(POLICIES)} is there" if none else "; ".join(missing)
        return warning(what, told, cure)
    return ok(what, f"all {len(POLICIES)} are there and bound")


def _is_of(name: str, namespace: str, ending: str) -> bool:
    return name.startswith(f"{namespace}.") and name.endswith(f"-{ending}")


def _name(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])


def contended(engines: Iterable[Manifest]) -> list[Finding]:
    """Check that no two operators would manage the same engines."""
    found = [
        f"{Key.of(m)} ({status['managedBy']} manages it, {status['contendedBy']} would)"
        for m in engines
        if (status := m.get("status") or {}).get("contendedBy") and status.get("managedBy")
    ]
    if not found:
        return []
    told = f"more than one would manage {len(found)} engines, such as {found[0]}"
    cure = "let one watch the namespace, or uninstall one (docs/operations.md)"
    return [warning("several operators", told, cure)]
