"""Manifests in YAML, as people write them: read with bounds, and with the line of each error."""

import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import yaml

from quiver.domain.kubernetes_types import (
    API_VERSION,
    GROUP,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Kind,
    Manifest,
)
from quiver.domain.text import one_line

STDIN = "-"
SUFFIXES = (".yaml", ".yml", ".json")
MOST_BYTES = 2**26
MOST_DOCUMENT_BYTES = 3 * 2**20
"""Of one object as JSON: the API server takes no more."""
MOST_DOCUMENTS = 100_000
MOST_NODES = 200_000
"""Of one object. Aliases make much of little."""
DEEPEST = 64
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
OURS = {kind.kind: kind for kind in (VECTOR_COLLECTION, VECTOR_ENGINE)}
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class BadManifest(Exception):
    """A manifest cannot be read. The message begins with FILE:LINE."""


@dataclass(frozen=True)
class Written:
    """An object of Quiver's as somebody wrote it. `source` is FILE:LINE."""

    kind: Kind
    key: Key
    manifest: Manifest
    source: str


@dataclass
class Manifests:
    """What was read. `ignored` counts the objects of other kinds, `namespaces` are those among
    them.
    """

    written: dict[tuple[Kind, Key], Written] = field(default_factory=dict)
    ignored: Counter[str] = field(default_factory=Counter)
    namespaces: set[str] = field(default_factory=set)


def read_manifests(paths: Iterable[str], namespace: str | None, stdin: TextIO) -> Manifests:
    """Read files, all of a folder and of those in it, or stdin (-). `namespace` is for objects that
    name none.

    Raises: BadManifest.
    """
    found, left = Manifests(), MOST_BYTES
    for name, text in _texts(paths, stdin):
        left -= len(text)
        if left < 0:
            raise BadManifest(f"{name}: the manifests have more than {MOST_BYTES} bytes together")
        for line, document in _documents(name, text):
            for each in _unfolded(document, f"{name}:{line}"):
                _take(each, f"{name}:{line}", namespace, found)
    return found


def _texts(paths: Iterable[str], stdin: TextIO) -> Iterator[tuple[str, str]]:
    for path in paths:
        if path == STDIN:
            yield "stdin", stdin.read(MOST_BYTES + 1)
            continue
        for file in _files(Path(path)):
            try:
                if file.stat().st_size > MOST_BYTES:
                    raise BadManifest(f"{file}: more than {MOST_BYTES} bytes")
                yield str(file), file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise BadManifest(f"{file}: {error}") from error


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise BadManifest(f"{path}: no such file or folder")
    if not path.is_dir():
        return [path]
    found = [
        Path(folder) / name
        for folder, _, names in os.walk(path)
        for name in names
        if name.endswith(SUFFIXES)
    ]
    if not found:
        raise BadManifest(f"{path}: no file in it ends in {', '.join(SUFFIXES)}")
    return sorted(found)


def _documents(name: str, text: str) -> Iterator[tuple[int, Any]]:
    """Yield each document with its first line."""
    loader, count = _Loader(io.StringIO(text)), 0
    try:
        while loader.check_node():
            node = loader.get_node()
            count += 1
            if node is None or count > MOST_DOCUMENTS:
                raise BadManifest(f"{name}: more than {MOST_DOCUMENTS} documents")
            document = loader.construct_document(node)
            if document is not None:
                yield node.start_mark.line + 1, document
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise BadManifest(f"{name}:{line}: not YAML: {one_line(error.problem or '')}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadManifest(f"{name}: not YAML: {one_line(str(error))}") from error
    finally:
        loader.dispose()


def _unfolded(document: Any, source: str) -> Iterator[Manifest]:
    if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
        raise BadManifest(f"{source}: no object of Kubernetes: it has no kind")
    if document["kind"] != "List":
        yield document
        return
    items = document.get("items")
    if not isinstance(items, list):
        raise BadManifest(f"{source}: a List without items")
    for number, item in enumerate(items):
        if not isinstance(item, dict) or not isinstance(item.get("kind"), str):
            raise BadManifest(f"{source}: item {number} of the List has no kind")
        yield item


def _take(manifest: Manifest, source: str, namespace: str | None, found: Manifests) -> None:
    version, kind = str(manifest.get("apiVersion", "")), OURS.get(manifest["kind"])
    metadata = manifest.get("metadata")
    if kind is None or not version.startswith(f"{GROUP}/"):
        found.ignored[one_line(manifest["kind"], 100)] += 1
        if manifest["kind"] == "Namespace" and isinstance(metadata, dict):
            found.namespaces.add(str(metadata.get("name")))
        return
    if version != API_VERSION:
        raise BadManifest(f"{source}: apiVersion is {one_line(version)!r}, not {API_VERSION!r}")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise BadManifest(f"{source}: the {kind.kind} has no metadata.name")
    _check_size(manifest, source)
    if not NAME.fullmatch(metadata["name"]):
        raise BadManifest(f"{source}: {one_line(metadata['name'])!r} is not the name of an object")
    where = metadata.get("namespace") or namespace
    if not isinstance(where, str):
        raise BadManifest(f"{source}: no metadata.namespace; write one, or say --namespace")
    if not NAME.fullmatch(where):
        raise BadManifest(f"{source}: {one_line(where)!r} is not the name of a namespace")
    key = Key(where, metadata["name"])
    before = found.written.get((kind, key))
    if before is not None:
        raise BadManifest(f"{source}: {kind.kind} {key} is in {before.source} too; take one out")
    whole = {**manifest, "metadata": {**metadata, "namespace": where}}
    found.written[kind, key] = Written(kind, key, whole, source)


def _check_size(manifest: Manifest, source: str) -> None:
    """Raises: BadManifest for an object that aliases make larger than the API server takes."""
    nodes, size = 0, 0
    left: list[tuple[Any, int]] = [(manifest, 0)]
    while left:
        value, depth = left.pop()
        nodes += 1
        size += len(value) if isinstance(value, str) else 8
        if nodes > MOST_NODES or size > MOST_DOCUMENT_BYTES or depth > DEEPEST:
            raise BadManifest(f"{source}: the object is larger than the API server takes")
        if isinstance(value, dict):
            left += ((each, depth + 1) for pair in value.items() for each in pair)
        elif isinstance(value, list):
            left += ((each, depth + 1) for each in value)
