"""What engines can do, where their types differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from quiver.domain.engines import EngineType


@dataclass(frozen=True, kw_only=True)
class SchemaDefaults:
    """What a field of a collection's schema is if the spec does not name it; None leaves it to the
    engine.

    The CRD's transition rules and the chart's admission policies have the same values.
    """

    index_file_size: int | None = None
    metric_type: str | None = None


MILVUS_1 = SchemaDefaults(index_file_size=1024, metric_type="L2")


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What an engine type can do. Policies refuse a spec that asks for what its type cannot do.

    `has_default_image`: pods run the operator's default engine image, if the spec names none.
    `pods_serve_tls`: the server accepts a certificate and a key. `schema_defaults`: what the fields
    of a collection mean that its spec does not name. `loads`: a collection is searched once it is
    loaded; it is in a database, has properties, and its metric belongs to its index.

    The operator asks each server for its instance id and never infers from the type whether there
    is one: an external engine may be another server than its type says.
    """

    has_default_image: bool
    pods_serve_tls: bool
    schema_defaults: SchemaDefaults
    loads: bool = False


CAPABILITIES: Mapping[EngineType, Capabilities] = MappingProxyType(
    {
        "Quiver": Capabilities(
            has_default_image=True, pods_serve_tls=True, schema_defaults=MILVUS_1
        ),
        "Milvus1": Capabilities(
            has_default_image=False, pods_serve_tls=False, schema_defaults=MILVUS_1
        ),
        "Milvus": Capabilities(
            has_default_image=False,
            pods_serve_tls=False,
            schema_defaults=SchemaDefaults(metric_type="L2"),
            loads=True,
        ),
    }
)
