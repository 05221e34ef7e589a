"""What the CRD has the API server refuse of spec.milvus.schema, as far as simulations need it."""

from quiver.domain.kubernetes_types import Manifest
from quiver.ports.errors import ApiRefused
from simulation.milvus_forms import field_of, functions_of, outputs_of

SHORT = ("dimension", "metricType", "index")
"""The fields of the short form."""
GROWS = ("maxLength", "maxCapacity")
FREE = (*GROWS, "description")
"""What may change of a field."""


def check_form(spec: Manifest) -> None:
    """Raises ApiRefused: both forms, or none; or partitions beside a partition key."""
    schema: Manifest | None = spec.get("milvus", {}).get("schema")
    short = [name for name in SHORT if name in spec]
    if schema is None:
        if "dimension" not in spec:
            raise ApiRefused("spec.dimension or spec.milvus.schema is required")
        return
    if short:
        raise ApiRefused(f"spec.{short[0]} has no place beside spec.milvus.schema")
    if spec.get("partitions") and any(f.get("partitionKey") for f in schema["fields"]):
        raise ApiRefused("spec.partitions and a partitionKey exclude each other")


def check_growth(before: Manifest | None, after: Manifest | None, status: Manifest) -> None:
    """Raises ApiRefused: a schema comes or goes, or changes in what is fixed. What the server never
    took, by the status, is not.
    """
    if (before is None) != (after is None):
        raise ApiRefused("spec.milvus.schema cannot be added or taken away")
    if before is None or after is None:
        return
    is_open = before.get("dynamicFields", False)
    if "fields" in status:
        is_open = is_open and status.get("dynamicFields", False)
    if is_open and not after.get("dynamicFields", False):
        raise ApiRefused("dynamicFields stays on")
    for function in functions_of(before):
        if function not in functions_of(after):
            _check_function(function, after, status)
    for field in before["fields"]:
        there = field if "fields" not in status else field_of(status, field["name"])
        _check_field(field, field_of(after, field["name"]), there)
    new = [f for f in functions_of(after) if f not in functions_of(before)]
    for field in after["fields"]:
        if field_of(before, field["name"]) is None:
            _check_new(field, outputs_of(new))


def _check_function(before: Manifest, after: Manifest, status: Manifest) -> None:
    name = before["name"]
    if any(function["name"] == name for function in functions_of(after)):
        raise ApiRefused(f"function {name} is fixed")
    if "fields" not in status or name in status.get("functions", ()):
        raise ApiRefused(f"function {name} cannot be taken away")
    if any(field_of(after, output) is not None for output in before["outputFields"]):
        raise ApiRefused(f"function {name} takes its output along")


def _check_field(before: Manifest, after: Manifest | None, there: Manifest | None) -> None:
    """Check a field that was listed. `there` is what counts as the server's, if it has it."""
    if after is None:
        if there is not None:
            raise ApiRefused(f"field {before['name']} cannot be taken away")
        return
    least = {name: min(before.get(name, 0), (there or {}).get(name, 0)) for name in GROWS}
    if any(after.get(name, 0) < least[name] for name in GROWS):
        raise ApiRefused(f"field {before['name']} does not shrink")
    fixed, now = ({k: v for k, v in f.items() if k not in FREE} for f in (before, after))
    if fixed != now:
        raise ApiRefused(f"field {before['name']} is fixed")


def _check_new(field: Manifest, outputs: set[str]) -> None:
    is_key = field.get("primaryKey") or field.get("partitionKey")
    if (not field.get("nullable") or is_key) and field["name"] not in outputs:
        raise ApiRefused(f"the new field {field['name']} is not nullable")
