"""What the objects of a namespace say of themselves, put together for whoever is on call.

Conditions, Events and pods' messages hold what tenants and foreign servers wrote: each text is one
printable line here, so that no terminal takes it for anything else.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from quiver.domain.conditions import is_true, ready_message, ready_reason, ready_status
from quiver.domain.kubernetes_types import ENGINE_LABEL, Key, Manifest
from quiver.domain.members import ordinal_of
from quiver.domain.quantities import mebibytes
from quiver.domain.text import one_line
from quiver.domain.views import (
    CollectionView,
    EngineView,
    Happened,
    Note,
    Overview,
    PodView,
)

MESSAGE_LIMIT = 1000
"""Characters of one message."""
EVENTS = 3
"""Events that are shown of an object: the last."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Manifests as they were read. `unlisted` are the namespaces whose pods may not be listed; the
    empty one stands for all. `used` maps a pod to its MiB.
    """

    engines: Sequence[Manifest]
    collections: Sequence[Manifest]
    pods: Sequence[Manifest] = ()
    unlisted: frozenset[str] = frozenset()
    events: Sequence[Manifest] = ()
    used: Mapping[Key, int] = {}


def overview(found: Found, unread: Mapping[str, str]) -> Overview:
    """Put together what was read."""
    told = _events_by_object(found.events)
    views = [_collection(m, told) for m in sorted(found.collections, key=Key.of)]
    of_engine: dict[str, list[CollectionView]] = {}
    for view in views:
        of_engine.setdefault(view.engine, []).append(view)
    engines = tuple(
        _engine(m, found, told, tuple(of_engine.pop(str(Key.of(m)), ())))
        for m in sorted(found.engines, key=Key.of)
    )
    rest = tuple(view for left in of_engine.values() for view in left)
    return Overview(engines=engines, collections=rest, unread=dict(unread))


def engine_of(collection: Manifest) -> Key:
    """Return the key of the engine that a collection refers to."""
    metadata, reference = collection["metadata"], _part(collection.get("spec"), "engineRef")
    namespace = reference.get("namespace") or metadata["namespace"]
    return Key(str(namespace), str(reference.get("name", "")))


def _engine(
    manifest: Manifest,
    found: Found,
    told: Mapping[tuple[str, Key], tuple[Happened, ...]],
    collections: tuple[CollectionView, ...],
) -> EngineView:
    spec, status = _part(manifest, "spec"), _part(manifest, "status")
    gpu = spec.get("gpu") if isinstance(spec.get("gpu"), dict) else None
    resource = str((gpu or {}).get("resourceName") or "nvidia.com/gpu")
    is_external = bool(_part(spec, "external"))
    replicas = 0 if is_external else _number(spec.get("replicas"), 1)
    key = Key.of(manifest)
    own = (pod for pod in found.pods if _belongs(pod, key))
    pods = tuple(_pod(pod, resource, found.used) for pod in own)
    each = _number((gpu or {}).get("count"), 1)
    return EngineView(
        **_common(manifest, told),
        type=_text(spec.get("type") or "Quiver"),
        version=_text(status.get("version")),
        image=_text(status.get("image") or spec.get("image")),
        replicas=replicas,
        ready_replicas=_number(status.get("readyReplicas"), 0),
        endpoints=tuple(map(_text, _part(spec, "external").get("endpoints") or ())),
        gpus={resource: each * replicas} if gpu is not None else {},
        managed_by=_text(status.get("managedBy")),
        pods=None if found.unlisted & {"", key.namespace} else pods,
        collections=collections,
    )


def _collection(
    manifest: Manifest, told: Mapping[tuple[str, Key], tuple[Happened, ...]]
) -> CollectionView:
    spec, status = _part(manifest, "spec"), _part(manifest, "status")
    placement = _part(status, "placement")
    return CollectionView(
        **_common(manifest, told),
        engine=_text(str(engine_of(manifest))),
        collection_name=_text(status.get("collectionName") or spec.get("collectionName")),
        on=_text(placement.get("pod") or placement.get("endpoint")),
        index=_index(_part(status, "index")),
        load=_text(_part(status, "milvus").get("load")),
    )


def _common(
    manifest: Manifest, told: Mapping[tuple[str, Key], tuple[Happened, ...]]
) -> dict[str, Any]:
    key, status = Key.of(manifest), ready_status(manifest)
    return {
        "namespace": key.namespace,
        "name": key.name,
        "ready": status if status in ("True", "False") else "Unknown",
        "state": _state(manifest),
        "reason": _text(ready_reason(manifest)) or "Pending",
        "message": _text(ready_message(manifest)) or "the operator has not seen it yet",
        "deleting": "deletionTimestamp" in manifest["metadata"],
        "notes": tuple(_notes(manifest)),
        "events": told.get((str(manifest["kind"]), key), ()),
    }


def _state(manifest: Manifest) -> str:
    for type_ in ("Suspended", "Stalled", "Reconciling"):
        if is_true(manifest, type_):
            return type_
    return "Ready" if ready_status(manifest) == "True" else "Pending"


def _notes(manifest: Manifest) -> Iterable[Note]:
    seen = ("Ready", "Reconciling", "Stalled")
    for condition in _part(manifest, "status").get("conditions") or ():
        if condition.get("type") not in seen and condition.get("status") == "True":
            yield Note(
                type=_text(condition.get("type")),
                reason=_text(condition.get("reason")),
                message=_text(condition.get("message")),
            )


def _index(index: Mapping[str, Any]) -> str:
    params = _part(index, "params")
    each = ", ".join(f"{name} {value}" for name, value in params.items())
    return _text(f"{index.get('type') or ''} {each}".strip())


def _belongs(pod: Manifest, engine: Key) -> bool:
    metadata = pod["metadata"]
    labelled = (metadata.get("labels") or {}).get(ENGINE_LABEL) == engine.name
    own = ordinal_of(metadata["name"], engine.name) is not None
    return labelled and own and bool(metadata["namespace"] == engine.namespace)


def _pod(pod: Manifest, gpu: str, used: Mapping[Key, int]) -> PodView:
    spec, status = _part(pod, "spec"), _part(pod, "status")
    containers = spec.get("containers") or ()
    limits = [(each.get("resources") or {}).get("limits") or {} for each in containers]
    memory = [mebibytes(limit["memory"]) for limit in limits if "memory" in limit]
    states = status.get("containerStatuses") or ()
    return PodView(
        name=pod["metadata"]["name"],
        ready=is_true(pod, "Ready"),
        node=_text(spec.get("nodeName")),
        restarts=sum(_number(state.get("restartCount"), 0) for state in states),
        gpus=sum(int(limit.get(gpu, 0)) for limit in limits),
        memory_limit=sum(memory) if memory and len(memory) == len(limits) else None,
        memory_used=used.get(Key.of(pod)),
        trouble=_trouble(pod, states),
    )


def _trouble(pod: Manifest, states: Iterable[Manifest]) -> str:
    """Return what keeps the pod from running, in the words of scheduler or kubelet."""
    for condition in _part(pod, "status").get("conditions") or ():
        if (condition.get("type"), condition.get("status")) == ("PodScheduled", "False"):
            return _text(f"{condition.get('reason', '')}: {condition.get('message', '')}")
    for state in states:
        waiting = _part(_part(state, "state"), "waiting")
        if waiting:
            return _text(f"{waiting.get('reason', '')}: {waiting.get('message', '')}")
        ended = _part(_part(state, "lastState"), "terminated")
        if ended and not state.get("ready"):
            return _text(f"ended with {ended.get('exitCode')}: {ended.get('reason', '')}")
    return ""


def _events_by_object(
    events: Iterable[Manifest],
) -> dict[tuple[str, Key], tuple[Happened, ...]]:
    found: dict[tuple[str, Key], list[Happened]] = {}
    for event in events:
        about = _part(event, "regarding")
        key = Key(str(about.get("namespace", "")), str(about.get("name", "")))
        found.setdefault((str(about.get("kind", "")), key), []).append(_happened(event))
    return {
        about: tuple(sorted(each, key=lambda event: event.at)[-EVENTS:])
        for about, each in found.items()
    }


def _happened(event: Manifest) -> Happened:
    series = _part(event, "series")
    times = (
        series.get("lastObservedTime"),
        event.get("deprecatedLastTimestamp"),
        event.get("eventTime"),
        event["metadata"].get("creationTimestamp"),
    )
    return Happened(
        at=_text(next(filter(None, times), "")),
        type=_text(event.get("type")),
        reason=_text(event.get("reason")),
        note=_text(event.get("note")),
        count=_number(series.get("count") or event.get("deprecatedCount"), 1),
    )


def _part(whole: Any, name: str) -> dict[str, Any]:
    """Return a part of an object, which a looser CRD may have let in as something else."""
    found = whole.get(name) if isinstance(whole, dict) else None
    return found if isinstance(found, dict) else {}


def _number(value: Any, default: int) -> int:
    return value if isinstance(value, int) and value >= 0 else default


def _text(value: Any) -> str:
    return one_line(str(value), MESSAGE_LIMIT) if value is not None else ""
