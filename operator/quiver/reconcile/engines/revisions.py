"""What a StatefulSet says of the templates of its pods: which was applied, and which they have."""

from typing import NamedTuple

import msgspec

from quiver.domain.engines import COLLECTIONS_AND_PARTITIONS, EngineSpec
from quiver.domain.ephemeral_data import POD_FIELDS
from quiver.domain.kubernetes_types import GROUP, Manifest
from quiver.domain.manifests import digest

TEMPLATE_ANNOTATION = f"{GROUP}/pod-template"
"""The hash of the template that was applied last. The live template may be another: an admission
policy may have changed it.
"""
FIELDS_ANNOTATION = f"{GROUP}/pod-fields"
"""The hash of the fields of the spec that it came of."""
REVISION_LABEL = "controller-revision-hash"
"""Of a pod: the revision of the StatefulSet that it is of, by the name that the status has."""
HELD = 64
"""The partition that holds all pods back: an engine has no more."""


class Rollout(NamedTuple):
    """A template with the pods that may be replaced for it: those whose ordinal is not below
    `partition`. `template` and `fields` are hashes.
    """

    template: str
    fields: str
    partition: int

    @property
    def is_held(self) -> bool:
        return self.partition >= HELD

    def strategy(self) -> Manifest:
        return {"type": "RollingUpdate", "rollingUpdate": {"partition": self.partition}}

    def annotations(self) -> dict[str, str]:
        return {TEMPLATE_ANNOTATION: self.template, FIELDS_ANNOTATION: self.fields}


def fields_digest(spec: EngineSpec) -> str:
    """Return a hash of what the spec says of the pods. No version of Quiver may make another of the
    same spec: pods would be replaced as for a change of the spec.
    """
    told = {name: value for name, value in msgspec.to_builtins(spec).items() if name in POD_FIELDS}
    # Of these three, the pods know nothing but what is said here.
    told.pop("limits", None)
    told.pop("milvus", None)
    if spec.type != "Milvus" and spec.member_limit > COLLECTIONS_AND_PARTITIONS:
        told["limits"] = spec.member_limit
    if spec.tls is not None:
        told["tls"] = [spec.tls.secret_name, spec.tls.client_ca_secret_name]
    if spec.milvus is not None and spec.milvus.segment_max_size is not None:
        told["milvus"] = spec.milvus.segment_max_size
    return digest(told)


def held_rollout(spec: EngineSpec, template: Manifest) -> Rollout:
    """Return the rollout of a template for which no pod is replaced."""
    return Rollout(digest(template), fields_digest(spec), HELD)


def rollout_in(stateful_set: Manifest) -> Rollout | None:
    """Return the rollout that was applied last; None if an earlier version of Quiver applied it."""
    annotations = stateful_set["metadata"].get("annotations") or {}
    if TEMPLATE_ANNOTATION not in annotations or FIELDS_ANNOTATION not in annotations:
        return None
    strategy = stateful_set["spec"].get("updateStrategy") or {}
    partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
    return Rollout(annotations[TEMPLATE_ANNOTATION], annotations[FIELDS_ANNOTATION], partition)


class Revisions(NamedTuple):
    """The revision that a StatefulSet's pods had when they were last all alike, and the one that
    they are to have.
    """

    current: str
    update: str

    @property
    def are_alike(self) -> bool:
        return self.current == self.update


def revisions_of(stateful_set: Manifest) -> Revisions | None:
    """Return them; None until the StatefulSet's controller has seen what was applied last."""
    status = stateful_set.get("status", {})
    if status.get("observedGeneration") != stateful_set["metadata"].get("generation"):
        return None
    return Revisions(status.get("currentRevision", ""), status.get("updateRevision", ""))
