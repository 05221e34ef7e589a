"""Clusters in which something is gathered."""

from dataclasses import replace

from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.kubernetes_types import Key, Manifest
from quiver.domain.placement import NO_LOAD, Load
from quiver.domain.rights import Rights
from quiver.domain.servers import Server
from quiver.reconcile.collections.reconciler import CollectionReconciler
from support.builders import NAMESPACE, claim, engine, external, pod
from support.fake_cluster import Cluster
from support.fake_engine import FakeEngine

ENGINE, NOBODY = Key(NAMESPACE, "engine"), Key("", "")
AT, AT_1 = "10.0.0.7:19530", "10.0.0.8:19530"
ID, OTHER_ID = "0" * 32, "1" * 32
SERVER, OTHER_SERVER = (Server("uid-of-engine", id_, None) for id_ in (ID, OTHER_ID))
HELD = claim(server=SERVER.identity)
DELETED = {"deletionTimestamp": "2024-05-02T10:00:00Z"}
SCHEMA = CollectionSchema(name="test01", dimension=256, index_file_size=1024, metric_type="L2")
TWO_PODS = (engine(spec={"replicas": 2}), pod(), pod("engine-1", ip="10.0.0.8"))
NAMED = "milvus.example.org:19530"
OLD, NEW = (
    {"creationTimestamp": "2024-01-01T00:00:00Z"},
    {"creationTimestamp": "2024-02-01T00:00:00Z"},
)
GUEST = {"engineRef": {"name": "engine", "namespace": NAMESPACE}}


def pod_cluster(*manifests: Manifest, instance: str | None = ID) -> tuple[Cluster, FakeEngine]:
    """Return a cluster with a ready pod, and the engine in it."""
    cluster = Cluster(engine(), pod(), *manifests)
    return cluster, cluster.engines.start(AT, instance=instance)


def endpoint_cluster(*manifests: Manifest) -> tuple[Cluster, FakeEngine]:
    """Return a cluster with an external engine of one endpoint, and that engine, which tells no
    instance.
    """
    cluster = Cluster(external(NAMED), *manifests)
    cluster.names.addresses = {"milvus.example.org": ("10.0.0.9",)}
    return cluster, cluster.engines.start("10.0.0.9:19530")


def with_rights(cluster: Cluster, rights: Rights) -> Cluster:
    """Return the cluster, whose reconciler has these rights."""
    cluster.sources = replace(cluster.sources, rights=rights)
    cluster.reconciler = CollectionReconciler(cluster.sources, cluster.tools)
    return cluster


def set_aside(cluster: Cluster, engine: Key = ENGINE) -> Load:
    """Return what reconciles under way have set aside on the engine, as others see it."""
    return cluster.reservations.added_to(NO_LOAD, engine, NOBODY)
