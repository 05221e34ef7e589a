"""Reads what `quiver status` shows."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import click

from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.commands.reading import Reading
from quiver.domain.kubernetes_types import (
    EVENT,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    POD,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Kind,
    Manifest,
)
from quiver.domain.overview import Found, engine_of, overview
from quiver.domain.quantities import mebibytes
from quiver.domain.text import one_line
from quiver.domain.views import Overview
from quiver.ports.errors import ApiRefused, NotFound

POD_METRICS = Kind("metrics.k8s.io", "v1beta1", "pods", "PodMetrics")
PODS_OF_QUIVER = f"{MANAGED_BY_LABEL}={MANAGED_BY}"
AT_ONCE = 8


class Asked(NamedTuple):
    """One object that is asked for. `namespace` is that of the object."""

    kind: Kind
    key: Key


async def read_overview(api: KubernetesClient, namespace: str, asked: Asked | None) -> Overview:
    """Read the objects of the namespace, all of them if it is empty, or the one that is asked for.

    Raises: ClickException, where not even those can be read; ApiUnavailable.
    """
    reading = Reading(api)
    engines, collections = await _objects(reading, namespace, asked)
    places = _places(namespace, engines, collections)
    pods, unlisted = await _pods(reading, namespace, engines)
    events = await _events(reading, places)
    found = Found(
        engines=engines,
        collections=collections,
        pods=pods,
        unlisted=unlisted,
        events=events,
        used=await _used(reading, namespace, engines),
    )
    return overview(found, reading.unread)


async def _objects(
    reading: Reading, namespace: str, asked: Asked | None
) -> tuple[list[Manifest], list[Manifest]]:
    """Return engines and collections."""
    if asked is not None and asked.kind is VECTOR_COLLECTION:
        collection = await _required(reading.api, asked)
        return await _engines_of(reading, [collection], []), [collection]
    collections = await _required_list(reading.api, VECTOR_COLLECTION, namespace)
    if asked is not None:
        own = [m for m in collections if engine_of(m) == asked.key]
        return [await _required(reading.api, asked)], own
    engines = await _required_list(reading.api, VECTOR_ENGINE, namespace)
    return engines + await _engines_of(reading, collections, engines), collections


async def _required(api: KubernetesClient, asked: Asked) -> Manifest:
    try:
        return await api.get(asked.kind, asked.key)
    except NotFound as error:
        raise click.ClickException(
            f"there is no {asked.kind.kind} {asked.key.name} in namespace {asked.key.namespace}: "
            f"{error}"
        ) from error
    except ApiRefused as error:
        raise click.ClickException(f"not allowed: {error}") from error


async def _required_list(api: KubernetesClient, kind: Kind, namespace: str) -> list[Manifest]:
    try:
        return (await api.list(kind, namespace=namespace)).items
    except NotFound as error:
        raise click.ClickException(
            f"the cluster has no {kind.plural}: Quiver is not installed there (docs/install.md), "
            "or the context is of another cluster"
        ) from error
    except ApiRefused as error:
        cure = "" if namespace else ". Name a namespace that is yours with -n"
        raise click.ClickException(f"not allowed: {error}{cure}") from error


async def _engines_of(
    reading: Reading, collections: Iterable[Manifest], known: Iterable[Manifest]
) -> list[Manifest]:
    """Return the engines that collections name and that are not known yet."""
    missing = {engine_of(m) for m in collections} - {Key.of(m) for m in known}
    turns = asyncio.Semaphore(AT_ONCE)

    async def read(key: Key) -> Manifest | None:
        async with turns:
            return await reading.get(VECTOR_ENGINE, key)

    found = await asyncio.gather(*(read(key) for key in sorted(missing) if key.name))
    return [manifest for manifest in found if manifest is not None]


def _places(
    namespace: str, engines: Sequence[Manifest], collections: Sequence[Manifest]
) -> set[str]:
    """Return the namespaces of the objects; the empty one alone for all."""
    return {Key.of(m).namespace for m in (*engines, *collections)} if namespace else {""}


async def _pods(
    reading: Reading, namespace: str, engines: Sequence[Manifest]
) -> tuple[list[Manifest], frozenset[str]]:
    """Return the pods of engines, and the namespaces where they may not be listed."""
    places = {Key.of(m).namespace for m in engines} if namespace else {""}
    pods, unlisted = list[Manifest](), set[str]()
    for place in sorted(places):
        found = await reading.listed(POD, place, PODS_OF_QUIVER)
        if found is None:
            unlisted.add(place)
        pods += found or ()
    return pods, frozenset(unlisted)


async def _events(reading: Reading, places: set[str]) -> list[Manifest]:
    """Return the Events about Quiver's objects. An admin's cluster has many about others."""
    events = list[Manifest]()
    for place in sorted(places):
        for kind in (VECTOR_COLLECTION, VECTOR_ENGINE):
            fields = {"regarding.kind": kind.kind}
            events += await reading.with_fields(EVENT, fields, place, _trimmed) or ()
    return events


def _trimmed(event: Manifest) -> Manifest:
    wanted = ("regarding", "series", "eventTime", "type", "reason", "note")
    old = ("deprecatedLastTimestamp", "deprecatedCount")
    kept: dict[str, Any] = {name: event[name] for name in (*wanted, *old) if name in event}
    kept["metadata"] = {"creationTimestamp": event["metadata"].get("creationTimestamp")}
    return kept


async def _used(reading: Reading, namespace: str, engines: Sequence[Manifest]) -> dict[Key, int]:
    """Return the memory of pods in MiB, where the cluster measures it."""
    places = {Key.of(m).namespace for m in engines} if namespace else {""}
    used: dict[Key, int] = {}
    for place in sorted(places):
        try:
            measured = (await reading.api.list(POD_METRICS, PODS_OF_QUIVER, place)).items
        except NotFound:
            return {}  # a cluster without a metrics server
        except ApiRefused as error:
            reading.unread["memory of pods"] = one_line(f"not allowed: {error}")
            return used
        for pod in measured:
            each = (c.get("usage", {}).get("memory", 0) for c in pod.get("containers", ()))
            used[Key.of(pod)] = sum(map(mebibytes, each))
    return used
