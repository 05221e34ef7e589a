"""What kubectl shows of both kinds."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

from localcluster import ControlPlane, LocalClusterError
from support.waiting import wait_until

DEADLINE_S = 30
KINDS = {"vectorcollections": "VectorCollection", "vectorengines": "VectorEngine"}
COLLECTION_COLUMNS = "NAME ENGINE COLLECTION DIMENSION METRIC READY REASON SUSPENDED AGE"
ENGINE_COLUMNS = "NAME TYPE GPU REPLICAS READY-REPLICAS READY REASON AGE"


@pytest.fixture
def kubectl(control_plane: ControlPlane, client: Any, shared_namespace: str) -> Any:
    """Run kubectl in the namespace of `collections` and `engines`."""
    return lambda *arguments: control_plane.kubectl(f"--namespace={shared_namespace}", *arguments)


def cells(output: str, name: str) -> dict[str, str]:
    """The row of one object, by column; no cell but the last may have blanks in it."""
    header, *rows = (line.split(maxsplit=header_size(output) - 1) for line in output.splitlines())
    return next(dict(zip(header, row, strict=True)) for row in rows if row[0] == name)


def header_size(output: str) -> int:
    """How many columns there are."""
    return len(output.splitlines()[0].split())


def test_collection_columns(kubectl: Any, collections: Any) -> None:
    """A collection is shown with its engine, its name there, its shape, and how it is."""
    collections.create({"suspend": True}, name="columns")
    collections.create({}, name="in-use")
    for name in ("columns", "in-use"):
        collections.patch_status(name, {"collectionName": "shown", "metricType": "IP"})
    output = kubectl("get", "vcol")
    assert output.splitlines()[0].split() == COLLECTION_COLUMNS.split()
    row = cells(output, "columns")
    assert [row[key] for key in ("ENGINE", "COLLECTION", "DIMENSION", "METRIC")] == [
        *("main", "shown", "256", "IP")
    ]
    assert (row["READY"], row["REASON"], row["SUSPENDED"]) == ("Unknown", "Pending", "true")
    assert cells(output, "in-use")["SUSPENDED"] == "false"


def test_wide_collection_columns(kubectl: Any, collections: Any) -> None:
    """Asked for more, kubectl shows the size of a segment, the index, whether Milvus has loaded it,
    the pod and the message.
    """
    index = {"type": "IVF_FLAT", "params": {"nlist": 64}}
    collections.create({"index": index}, name="wide")
    told: dict[str, Any] = {"collectionName": "a", "indexFileSize": 512, "metricType": "L2"}
    told |= {"placement": {"pod": "main-0"}, "milvus": {"load": "Loaded"}}
    collections.patch_status("wide", told)
    row = cells(kubectl("get", "vcol", "--output=wide"), "wide")
    assert [*row][-5:] == ["INDEX-FILE-SIZE", "INDEX", "LOAD", "POD", "MESSAGE"]
    assert [row[key] for key in ("INDEX-FILE-SIZE", "INDEX", "LOAD", "POD")] == [
        *("512", "IVF_FLAT", "Loaded", "main-0")
    ]
    assert row["MESSAGE"] == "Waiting for the Quiver operator."


def test_null_is_absent_but_for_server_side_apply(
    control_plane: ControlPlane, client: Any, shared_namespace: str
) -> None:
    """Which refuses it, as in every field that has no default."""
    at = (f"--namespace={shared_namespace}", "--filename=-", "--dry-run=server", "--output=json")
    spec = {"engineRef": {"name": "main"}, "dimension": 8, "metricType": None}
    kind = {"apiVersion": "quiver.dev/v1alpha1", "kind": "VectorCollection"}
    text = json.dumps({**kind, "metadata": {"name": "nothing"}, "spec": spec})
    for verb in ("create", "apply"):
        made = json.loads(control_plane.kubectl(verb, *at, input=text))
        assert "metricType" not in made["spec"]
    with pytest.raises(LocalClusterError, match="must be of type string"):
        control_plane.kubectl("apply", "--server-side", *at, input=text)


def test_engine_columns(kubectl: Any, engines: Any) -> None:
    """An engine is shown with its type, GPUs and replicas, how it is, and what runs there."""
    engines.create({"gpu": {"count": 2}}, name="columns")
    status = {"replicas": 3, "readyReplicas": 2, "image": "a", "version": "v2"}
    engines.patch_status("columns", status)
    output = kubectl("get", "veng", "--output=wide")
    assert output.splitlines()[0].split() == [
        *ENGINE_COLUMNS.split(),
        *("IMAGE", "VERSION", "MESSAGE"),
    ]
    row = cells(output, "columns")
    keys = ("TYPE", "GPU", "REPLICAS", "READY-REPLICAS", "IMAGE", "VERSION")
    assert [row[key] for key in keys] == ["Quiver", "2", "3", "2", "a", "v2"]


def test_category(kubectl: Any, engines: Any, collections: Any) -> None:
    """`kubectl get quiver` lists both kinds."""
    collections.create({}, name="both")
    engines.create({}, name="both")
    listed = kubectl("get", "quiver", "--output=name").split()
    assert {"vectorcollection.quiver.dev/both", "vectorengine.quiver.dev/both"} <= {*listed}


def test_scale(kubectl: Any, engines: Any) -> None:
    """`kubectl scale` changes the replicas of an engine."""
    engines.create({}, name="scaled")
    kubectl("scale", "veng/scaled", "--replicas=3")
    assert engines.get("scaled")["spec"]["replicas"] == 3


def test_scale_tells_what_autoscalers_read(kubectl: Any, engines: Any) -> None:
    """The scale subresource has the replicas that are there and the selector of their pods."""
    engines.create({}, name="measured")
    engines.patch_status("measured", {"replicas": 1, "selector": "a=b"})
    scale = json.loads(kubectl("get", "veng", "measured", "--subresource=scale", "--output=json"))
    assert scale["spec"] == {"replicas": 1}
    assert scale["status"] == {"replicas": 1, "selector": "a=b"}


def test_external_engines_are_not_scaled(kubectl: Any, engines: Any) -> None:
    """An external engine stays at one replica, by way of the scale subresource too."""
    engines.create({"external": {"endpoints": ["h.example.org:1"]}}, name="external")
    with pytest.raises(LocalClusterError, match="replicas are its endpoints"):
        kubectl("scale", "veng/external", "--replicas=2")


def test_collections_of_an_engine(collections: Any) -> None:
    """A field selector picks the collections of one engine."""
    collections.create({"engineRef": {"name": "picked"}}, name="on-picked")
    assert collections.names("spec.engineRef.name=picked") == ["on-picked"]


def test_engines_of_a_type(engines: Any) -> None:
    """A field selector picks the engines of one type."""
    engines.create({"type": "Milvus1", "image": "a"}, name="milvus")
    engines.create({}, name="quiver")
    found = engines.names("spec.type=Milvus1")
    assert "milvus" in found
    assert "quiver" not in found


@pytest.fixture(scope="session")
def published(client: Any) -> Any:
    """The schemas that kubectl explain reads, by plural; they are published a little later."""
    url = f"{client.configuration.host}/openapi/v3/apis/quiver.dev/v1alpha1"
    found: dict[str, Any] = {}

    def has_both() -> bool:
        found.update(fetched(client, url))
        return len(found) == len(KINDS)

    wait_until(has_both, f"{url} has both kinds", DEADLINE_S)
    return found


def fetched(client: Any, url: str) -> dict[str, Any]:
    """The schemas that are published by now."""
    try:
        response = client.rest_client.request("GET", url, headers=dict(client.default_headers))
    except ApiException as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return {}
    known = json.loads(response.read())["components"]["schemas"]
    named = {plural: f"dev.quiver.v1alpha1.{kind}" for plural, kind in KINDS.items()}
    return {plural: known[name] for plural, name in named.items() if name in known}


@pytest.mark.parametrize("plural", KINDS)
def test_published(published: Any, all_fields: Any, walk: Any, plural: str) -> None:
    """The server hands out the description of every field."""
    described = {field.path: field.schema.get("description") for field in walk(published[plural])}
    wanted = {field.path: field.schema["description"] for field in all_fields[plural][2:]}
    assert {path: described[path] for path in wanted} == wanted


def test_explain(kubectl: Any, published: Any) -> None:
    """`kubectl explain` tells somebody new how to choose a value."""
    explained = " ".join(kubectl("explain", "vcol.spec.indexFileSize").split())
    assert "a search visits every segment" in explained
    assert "It cannot be changed later." in explained


@pytest.mark.parametrize(
    ("field", "listed", "words"),
    [
        ("metricType", "ENUM: L2 IP COSINE", "on the others take IP on vectors of length 1"),
        ("index.type", "ENUM: IVF_FLAT IVF_SQ8", "There is no FLAT: without an index every search"),
    ],
)
def test_explain_tells_what_to_take_for_what_there_is_not(
    kubectl: Any, published: Any, field: str, listed: str, words: str
) -> None:
    """`kubectl explain` lists the values, and names those that users of others look for."""
    explained = " ".join(kubectl("explain", f"vcol.spec.{field}").split())
    assert listed in explained
    assert words in explained


def test_explain_tells_how_to_be_looked_at_now(kubectl: Any, published: Any) -> None:
    """`kubectl explain` names the annotation that makes the operator look now."""
    assert "quiver.dev/reconcile" in kubectl("explain", "vcol")
