"""What no engine of its type can be. The CRD refuses it too, but a looser one may be installed.
Pure.
"""

from collections.abc import Callable

from quiver.domain.capabilities import CAPABILITIES
from quiver.domain.conditions import Verdict
from quiver.domain.engines import MOST_COLLECTIONS_AND_PARTITIONS, EngineSpec, VectorEngine
from quiver.domain.reasons import Reason
from quiver.reconcile.engines.workload import LARGEST_TEMPLATE, template_size

Rule = Callable[[EngineSpec], str | None]


def impossible(engine: VectorEngine) -> Verdict | None:
    """Return the verdict on a spec that cannot be met whatever happens."""
    rules = OF_ALL if engine.spec.external is not None else (*OF_ALL, *OF_PODS)
    messages = (rule(engine.spec) for rule in rules)
    message = next(filter(None, messages), None)
    if message is None and engine.spec.external is None:
        message = _too_large(engine)
    return None if message is None else Verdict.stalled(Reason.INVALID_SPEC, message)


def _of_milvus_alone(spec: EngineSpec) -> str | None:
    fields = {"auth": spec.auth, "milvus": spec.milvus}
    given = next((name for name, value in fields.items() if value is not None), None)
    if spec.type == "Milvus" or given is None:
        return None
    return (
        f"spec.{given} must not be given for another type than Milvus, because Milvus 1.x has no "
        "such thing. Take it out."
    )


def _more_than_it_holds(spec: EngineSpec) -> str | None:
    if spec.type == "Milvus" or spec.member_limit <= MOST_COLLECTIONS_AND_PARTITIONS:
        return None
    return (
        "spec.limits.maxCollectionsAndPartitions must be at most "
        f"{MOST_COLLECTIONS_AND_PARTITIONS} for another type than Milvus, because Quiver's engine "
        "holds no more. Lower it, and add replicas or endpoints."
    )


def _several_endpoints(spec: EngineSpec) -> str | None:
    if spec.type != "Milvus" or spec.external is None or len(spec.external.endpoints) == 1:
        return None
    return (
        "spec.external.endpoints must have exactly one entry for type Milvus, because all servers "
        "of one Milvus hold the same collections: one engine, one member. Name its load balancer "
        "or Service."
    )


def _several_pods(spec: EngineSpec) -> str | None:
    if spec.type != "Milvus" or spec.replicas <= 1:
        return None
    return (
        "spec.replicas must be 0 or 1 for pods of type Milvus, because each would be a Milvus of "
        "its own. Create a VectorEngine for each, or run a distributed Milvus and name it in "
        "spec.external."
    )


def _with_login(spec: EngineSpec) -> str | None:
    if spec.type != "Milvus" or spec.auth is None:
        return None
    return (
        "spec.auth must not be given for pods of type Milvus, because Quiver runs them without "
        "users. Take it out and limit by spec.networkPolicy who may connect, or run Milvus "
        "elsewhere and name it in spec.external."
    )


def _without_image(spec: EngineSpec) -> str | None:
    if spec.image is not None or CAPABILITIES[spec.type].has_default_image:
        return None
    return (
        f"spec.image is required for type {spec.type}, because no image of it comes with Quiver. "
        "Name one, or say in spec.external where the engine runs."
    )


def _with_tls(spec: EngineSpec) -> str | None:
    if spec.tls is None or CAPABILITIES[spec.type].pods_serve_tls:
        return None
    return (
        f"spec.tls must not be given for pods of type {spec.type}, because they do not speak TLS. "
        "Take it out, or use type Quiver."
    )


def _too_large(engine: VectorEngine) -> str | None:
    """What the fields of pods have together, no rule of the CRD counts."""
    size = template_size(engine)
    if size <= LARGEST_TEMPLATE:
        return None
    return (
        f"What the spec says of the pods takes {size} bytes as JSON, and may take at most "
        f"{LARGEST_TEMPLATE}. Shorten podAnnotations, affinity or another of these fields."
    )


OF_ALL: tuple[Rule, ...] = (_of_milvus_alone, _more_than_it_holds, _several_endpoints)
OF_PODS: tuple[Rule, ...] = (_without_image, _with_tls, _several_pods, _with_login)
