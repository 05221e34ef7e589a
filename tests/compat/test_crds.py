"""Today's CRDs, held against those of the release before: what that one took is taken still."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import before
from support.schema_changes import tightened

NAMES = ("vectorcollections", "vectorengines")
OF_NEW_FIELDS = ".spec rule !has(self.external) || !"
OF_PODS = " || ".join(
    f"has(self.{field})"
    for field in (
        *("affinity", "topologySpreadConstraints", "imagePullSecrets", "podLabels"),
        *("podAnnotations", "priorityClassName", "runtimeClassName", "serviceAccountName"),
        "terminationGracePeriodSeconds",
    )
)
IVF = "(self.type in ['IVF_FLAT', 'IVF_SQ8', 'IVF_SQ8H', 'IVF_PQ'])"
PQ, GRAPH, NSG, TREES = (f"(self.type == '{name}')" for name in ("IVF_PQ", "HNSW", "RNSG", "ANNOY"))
PARAMS = (
    *(("nlist", IVF, 1, 65536), ("m", PQ, 1, 32768), ("nbits", PQ, 1, 16)),
    *(("M", GRAPH, 4, 64), ("efConstruction", GRAPH, 8, 512)),
    *(("search_length", NSG, 10, 300), ("out_degree", NSG, 5, 300)),
    *(("candidate_pool_size", NSG, 50, 1000), ("knng", NSG, 5, 300), ("n_trees", TREES, 1, 1024)),
)
OF_MILVUS = (
    "self.type in ['AUTOINDEX', 'DISKANN', 'SCANN', 'GPU_CAGRA', 'GPU_IVF_FLAT', 'GPU_IVF_PQ', "
    "'GPU_BRUTE_FORCE'] || "
)
OF_METRICS = (
    (
        "self.metricType in ['L2', 'IP', 'COSINE'] || !has(self.dimension) || "
        "self.dimension % 8 == 0"
    ),
    (
        "!(self.metricType in ['HAMMING', 'JACCARD', 'TANIMOTO']) || !has(self.index) || "
        "self.index.type == 'IVF_FLAT'"
    ),
    "!(self.metricType in ['SUBSTRUCTURE', 'SUPERSTRUCTURE']) || !has(self.index)",
)
LONG = "has(self.milvus) && has(self.milvus.schema)"
LONG_KEYS = "rule self.all(key, size(key) <= 317)"
RESOURCES = (
    "rule self.all(name, name in ['cpu', 'memory', 'ephemeral-storage'] || "
    "(size(name) <= 317 && (name.startsWith('hugepages-') || name.contains('/'))))"
)
OF_LONG_FORMS = ". rule !has(self.spec.milvus) || !has(self.spec.milvus.schema)"
"""How the rules begin of a form that is new."""
EXPECTED = {
    "vectorcollections": {
        # What is stored in spec and status fits an object; the operator's memory is bounded by it.
        ".spec.partitions rule self.map(tag, bytes(tag).size()).sum() <= 262144",
        # Absent means the same as before, and is stored as it is: the engine's type decides.
        ".spec.indexFileSize default 1024 -> None",
        ".spec.metricType default L2 -> None",
        # These take what the rules before took, where the fields are there.
        *(
            f".spec rule (has(self.{field}) ? self.{field} : {default}) == "
            f"(has(oldSelf.{field}) ? oldSelf.{field} : {default})"
            for field, default in (("indexFileSize", "1024"), ("metricType", "'L2'"))
        ),
        *(f".spec rule !has(self.metricType) || {rule}" for rule in OF_METRICS),
        (
            ".spec rule !has(self.index) || self.index.type != 'IVF_PQ' || "
            "!has(self.index.params.m) || type(self.index.params.m) != int || "
            "self.index.params.m < 1 || !has(self.dimension) || "
            "self.dimension % self.index.params.m == 0"
        ),
        (
            ".spec rule !has(self.dimension) || !has(oldSelf.dimension) || "
            "self.dimension == oldSelf.dimension"
        ),
        # A form that is new. One of both there is, for good: dimension was required.
        f".spec rule has(self.dimension) || ({LONG})",
        f".spec rule ({LONG}) == ({LONG.replace('self', 'oldSelf')})",
        (
            f".spec rule !({LONG}) || !(has(self.dimension) || has(self.metricType) || "
            "has(self.index))"
        ),
        (
            f".spec rule !({LONG}) || !has(self.partitions) || self.partitions.size() == 0 || "
            "!self.milvus.schema.fields.exists(f, has(f.partitionKey) && f.partitionKey)"
        ),
        # Indexes of Milvus 2.x take what the server knows. The bounds of the others are rules now.
        *(
            f".spec.index rule {OF_MILVUS}has(self.params.{name}) == {types}"
            for name, types, *_ in PARAMS
            if name != "nbits"
        ),
        f".spec.index rule {OF_MILVUS}!has(self.params.nbits) || {PQ[1:-1]}",
        *(
            f".spec.index rule {OF_MILVUS}!has(self.params.{name}) || "
            f"(type(self.params.{name}) == int && self.params.{name} >= {least} && "
            f"self.params.{name} <= {most})"
            for name, _, least, most in PARAMS
        ),
        ".spec.index.params rule self.all(name, size(name) >= 1 && size(name) <= 256)",
        ".spec.index.params maxProperties None -> 32",
        # Fields that are new, and fixed.
        *(
            f".spec rule (has(self.milvus) && has(self.milvus.{field}) ? self.milvus.{field} : "
            f"{absent}) == (has(oldSelf.milvus) && has(oldSelf.milvus.{field}) ? "
            f"oldSelf.milvus.{field} : {absent})"
            for field, absent in (
                ("database", "'default'"),
                ("shards", "0"),
                ("consistencyLevel", "''"),
            )
        ),
    },
    "vectorengines": {
        # No key of a label is longer, and no name of a resource: none of these had an effect.
        f".spec.nodeSelector {LONG_KEYS}",
        f".spec.allowedNamespaces.selector.matchLabels {LONG_KEYS}",
        f".spec.resources.requests {RESOURCES}",
        f".spec.resources.limits {RESOURCES}",
        # The operator would look a bare name up in its own namespace, applications elsewhere.
        ".spec.external.endpoints[] rule !self.matches('^[-A-Za-z0-9]+:[0-9]+$')",
        # An external engine has no pods, so that it takes none of the fields that are new.
        f"{OF_NEW_FIELDS}({OF_PODS})",
        f"{OF_NEW_FIELDS}has(self.networkPolicy)",
        f"{OF_NEW_FIELDS}has(self.upgradePolicy)",
        # A type that is new, with fields that are new. Of the others none takes more than before.
        ".spec rule self.type != 'Milvus' || has(self.external) || has(self.image)",
        ".spec rule self.type != 'Milvus' || has(self.external) || self.replicas <= 1",
        (
            ".spec rule self.type != 'Milvus' || !has(self.external) || "
            "self.external.endpoints.size() == 1"
        ),
        ".spec rule !has(self.tls) || has(self.external) || self.type != 'Milvus'",
        ".spec rule !has(self.auth) || has(self.external) || self.type != 'Milvus'",
        ".spec rule self.type == 'Milvus' || !has(self.auth)",
        ".spec rule self.type == 'Milvus' || !has(self.milvus)",
        (
            ".spec rule self.type == 'Milvus' || !has(self.limits) || "
            "!has(self.limits.maxCollectionsAndPartitions) || "
            "self.limits.maxCollectionsAndPartitions <= 8192"
        ),
    },
}
"""Each way in which the API is tighter, with its reason. It is in the changelog, too."""


def read(folder: Path, plural: str) -> Any:
    return yaml.safe_load((folder / "crds" / f"quiver.dev_{plural}.yaml").read_text())


def schema(crd: Any) -> Any:
    (version,) = crd["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]


@pytest.mark.parametrize("plural", NAMES)
def test_no_field_goes_and_no_bound_tightens(plural: str) -> None:
    """But for those that are listed here, and those of a form that is new."""
    earlier, today = (schema(read(folder, plural)) for folder in (before.FOLDER, before.ROOT))
    found = {way for way in tightened(earlier, today) if not way.startswith(OF_LONG_FORMS)}
    assert found == EXPECTED[plural]


@pytest.mark.parametrize("plural", NAMES)
def test_what_clients_call_by_name_stays(plural: str) -> None:
    """Version, names, scope, subresources, columns and field selectors."""
    earlier, today = (read(folder, plural)["spec"] for folder in (before.FOLDER, before.ROOT))
    assert [today[key] for key in ("group", "scope", "names")] == [
        earlier[key] for key in ("group", "scope", "names")
    ]
    (was,), (now,) = earlier["versions"], today["versions"]
    for key in ("name", "served", "storage", "subresources", "selectableFields"):
        assert now.get(key) == was.get(key)
    columns = [[column["name"] for column in v["additionalPrinterColumns"]] for v in (was, now)]
    assert {*columns[0]} <= {*columns[1]}


TIGHTER: dict[str, tuple[tuple[str, ...], dict[str, Any], str]] = {
    "a lower maximum": (("dimension",), {"maximum": 1}, "maximum 32768 -> 1"),
    "a greatest length": (("metricType",), {"maxLength": 2}, "maxLength None -> 2"),
    "a higher minimum": (("dimension",), {"minimum": 2}, "minimum 1 -> 2"),
    "another pattern": (("collectionName",), {"pattern": "^a$"}, "pattern ^[A-Za-z_]"),
    "a value less": (("metricType",), {"enum": ["L2"]}, "enum without ['IP', 'HAMMING'"),
    "a list of values": (("collectionName",), {"enum": ["a"]}, "enum without"),
    "another default": (("metricType",), {"default": "IP"}, "default L2 -> IP"),
    "another type": (("dimension",), {"type": "string"}, "type integer -> string"),
    "a required field": ((), {"required": ["engineRef", "index"]}, "requires ['index']"),
    "a rule": (("dimension",), {"x-kubernetes-validations": [{"rule": "self > 1"}]}, "rule self"),
    "no field": (("index",), {"properties": {}}, ".spec.index.type is gone"),
    "no items": (("partitions",), {"items": {"type": "integer"}}, "[] type string -> integer"),
}


@pytest.mark.parametrize(("at", "change", "told"), TIGHTER.values(), ids=TIGHTER)
def test_a_tighter_schema_is_noticed(at: tuple[str, ...], change: Any, told: str) -> None:
    """Whatever is tighter in it."""
    earlier = schema(read(before.FOLDER, "vectorcollections"))
    tighter = copy.deepcopy(earlier)
    spec = tighter["properties"]["spec"]
    (spec["properties"][at[0]] if at else spec).update(change)
    assert [line for line in tightened(earlier, tighter) if told in line]


def test_the_copies_are_those_of_the_commit(tmp_path: Path) -> None:
    """What stands here is what that release was installed from, byte for byte."""
    folders = ("charts", "crds", "manifests/samples")
    history = before.unpack(tmp_path, *folders)
    for name in folders:
        kept, had = _files(before.FOLDER / name), _files(history / name)
        assert kept == {at: text for at, text in had.items() if at.name != "README.md"}


def _files(folder: Path) -> dict[Path, bytes]:
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
