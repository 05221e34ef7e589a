"""What `quiver status` tells of objects: the parts of its answer, which are also its JSON.

Each text is one printable line.
"""

from typing import Literal

import msgspec


class View(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of the answer, which is also its JSON."""


class Note(View, frozen=True, kw_only=True):
    """A condition beside Ready that is true, such as DataEphemeral."""

    type: str
    reason: str
    message: str


class Happened(View, frozen=True, kw_only=True):
    """An Event about an object. `at` is when it happened last, as RFC 3339."""

    at: str
    type: str
    reason: str
    note: str
    count: int


class PodView(View, frozen=True, kw_only=True):
    """A pod of an engine. Memory is in MiB; None for what is not limited, or not measured."""

    name: str
    ready: bool
    node: str
    restarts: int
    gpus: int
    memory_limit: int | None
    memory_used: int | None
    trouble: str


class ObjectView(View, frozen=True, kw_only=True):
    """`ready` is the status of the condition Ready. `state` is the condition that goes with it:
    whether waiting helps (Reconciling) or not (Stalled).
    """

    namespace: str
    name: str
    ready: Literal["True", "False", "Unknown"]
    state: str
    reason: str
    message: str
    deleting: bool
    notes: tuple[Note, ...]
    events: tuple[Happened, ...]


class CollectionView(ObjectView, frozen=True, kw_only=True):
    """`on` is the pod or endpoint that holds the collection; empty before it is placed."""

    engine: str
    collection_name: str
    on: str
    index: str
    load: str


class EngineView(ObjectView, frozen=True, kw_only=True):
    """`gpus` maps each resource to how many the engine's pods ask for together. `pods` is None
    where they may not be listed.
    """

    type: str
    version: str
    image: str
    replicas: int
    ready_replicas: int
    endpoints: tuple[str, ...]
    gpus: dict[str, int]
    managed_by: str
    pods: tuple[PodView, ...] | None
    collections: tuple[CollectionView, ...]


class Overview(View, frozen=True, kw_only=True):
    """`collections` are those whose engine is not among `engines`. `unread` maps what could not be
    read to why.
    """

    engines: tuple[EngineView, ...] = ()
    collections: tuple[CollectionView, ...] = ()
    unread: dict[str, str] = {}

    @property
    def all_ready(self) -> bool:
        held = [each for engine in self.engines for each in engine.collections]
        shown: list[ObjectView] = [*self.engines, *self.collections, *held]
        return all(each.ready == "True" for each in shown)

    @property
    def is_empty(self) -> bool:
        return not self.engines and not self.collections
