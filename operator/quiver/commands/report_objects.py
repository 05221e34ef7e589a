"""The objects of a report, as YAML without secrets. Objects of kind Secret are never read."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import yaml

from quiver.commands.bundle import Bundle
from quiver.commands.check_operator import BINDING, OPERATORS, POLICY
from quiver.commands.reading import Reading
from quiver.commands.status_reading import PODS_OF_QUIVER
from quiver.control.departure import DEPLOYMENT
from quiver.control.leader.election import LEASE, LEASE_NAME
from quiver.domain.kubernetes_types import (
    CRD,
    EVENT,
    NETWORK_POLICY,
    NODE,
    POD,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    STATEFUL_SET,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Kind,
    Manifest,
)
from quiver.domain.redaction import Redaction

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
PARTS = (SERVICE, POD_DISRUPTION_BUDGET, NETWORK_POLICY)


class Pods(NamedTuple):
    """The pods of operators and of engines, without secrets."""

    operators: Sequence[Manifest]
    engines: Sequence[Manifest]


class Objects:
    """Reads objects, and puts them into a bundle."""

    def __init__(self, reading: Reading, redaction: Redaction, bundle: Bundle) -> None:
        self._reading = reading
        self._redaction = redaction
        self._bundle = bundle

    async def add(self, namespace: str, operators: Iterable[str]) -> Pods:
        """Add everything of a namespace, all of them if it is empty, and of the operators. What may
        hold secrets comes first, so that they are known when the rest is written.
        """
        engines = await self._listed(POD, namespace, PODS_OF_QUIVER)
        sets = await self._listed(STATEFUL_SET, namespace, PODS_OF_QUIVER)
        own, deployments = list[Manifest](), list[Manifest]()
        for place in operators:
            own += await self._listed(POD, place, OPERATORS)
            deployments += await self._listed(DEPLOYMENT, place, OPERATORS)
        kinds: list[tuple[Kind, list[Manifest]]] = [
            (STATEFUL_SET, sets),
            (POD, engines),
            (POD, own),
            (DEPLOYMENT, deployments),
        ]
        for kind, found in kinds:
            self._put(kind, found)
        for kind in (VECTOR_ENGINE, VECTOR_COLLECTION):
            self._put(kind, await self._listed(kind, namespace))
        for kind in PARTS:
            self._put(kind, await self._listed(kind, namespace, PODS_OF_QUIVER))
        await self._events(namespace, {Key.of(pod) for pod in engines})
        await self._of_the_cluster(operators)
        return Pods(own, engines)

    async def _of_the_cluster(self, operators: Iterable[str]) -> None:
        self._put(NODE, await self._listed(NODE, "", keep=_node))
        for kind in (VECTOR_COLLECTION, VECTOR_ENGINE):
            found = await self._reading.get(CRD, Key("", kind.full_name))
            self._put(
                CRD, [] if found is None else [self._redaction.object(found)], f"crd-{kind.plural}"
            )
        for kind in (POLICY, BINDING):
            self._put(kind, await self._listed(kind, "", OPERATORS))
        for place in operators:
            lease = await self._reading.get(LEASE, Key(place, LEASE_NAME))
            self._put(LEASE, [] if lease is None else [self._redaction.object(lease)])

    async def _events(self, namespace: str, pods: set[Key]) -> None:
        for kind in (VECTOR_COLLECTION, VECTOR_ENGINE, STATEFUL_SET, POD):
            fields = {"regarding.kind": kind.kind}
            found = await self._reading.with_fields(EVENT, fields, namespace)
            if kind is POD:  # others' pods are none of our business
                found = [event for event in found or () if _about(event) in pods]
            redacted = [self._redaction.object(event) for event in found or ()]
            self._put(EVENT, redacted, f"events-of-{kind.plural}")

    async def _listed(
        self, kind: Kind, namespace: str, selector: str = "", keep: Any = None
    ) -> list[Manifest]:
        def kept(manifest: Manifest) -> Manifest:
            trimmed = manifest if keep is None else keep(manifest)
            return self._redaction.object({**_typed(kind), **trimmed})

        return await self._reading.listed(kind, namespace, selector, kept) or []

    def _put(self, kind: Kind, found: Iterable[Manifest], name: str = "") -> None:
        """Add objects of a kind: a file for each namespace."""
        by_place: dict[str, list[Manifest]] = {}
        for manifest in found:
            by_place.setdefault(manifest["metadata"].get("namespace", ""), []).append(manifest)
        for place, manifests in by_place.items():
            folder = f"namespaces/{place}" if place else "cluster"
            text = yaml.dump_all(manifests, Dumper=_DUMPER, sort_keys=False)
            self._bundle.add(f"{folder}/{name or kind.plural}.yaml", self._redaction.text(text))


def _typed(kind: Kind) -> Manifest:
    """Return what the items of a list leave out."""
    return {"apiVersion": kind.api_version, "kind": kind.kind}


def _about(event: Manifest) -> Key:
    about = event.get("regarding") or {}
    return Key(about.get("namespace", ""), about.get("name", ""))


def _node(manifest: Manifest) -> Manifest:
    """Keep what says where engines can run: labels, GPUs, memory, conditions, versions."""
    metadata, status = manifest["metadata"], manifest.get("status") or {}
    kept = ("capacity", "allocatable", "conditions", "nodeInfo")
    return {
        "metadata": {"name": metadata["name"], "labels": metadata.get("labels") or {}},
        "spec": {"taints": (manifest.get("spec") or {}).get("taints") or []},
        "status": {name: status[name] for name in kept if name in status},
    }
