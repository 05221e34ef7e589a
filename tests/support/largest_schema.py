"""The largest long form that an object can hold, for what the API server's rules cost."""

from typing import Any

from quiver.domain.kubernetes_types import Manifest
from quiver.domain.milvus_fields import MOST_FIELDS, MOST_FUNCTIONS

_IN_EACH = 16
_NAME = 255
_PARAM = 160


def longest(prefix: str, number: int, size: int = _NAME) -> str:
    """Return a name of this size; those of one prefix differ in their ends only."""
    return f"{prefix}{'x' * (size - len(prefix) - 3)}{number:03}"


def largest_schema(max_length: int) -> Manifest:
    """Return a spec of as many fields, functions, indexes and parameters as there may be, with the
    longest names: one vector, and texts of `max_length`. An object holds at most 1.5 MiB, so that
    the names of the parameters are shorter.
    """
    names = [longest("f", number) for number in range(MOST_FIELDS)]
    fields: list[dict[str, Any]] = [
        {
            "name": name,
            "type": "VarChar",
            "maxLength": max_length,
            "description": "d" * 1024,
            "params": _params(_IN_EACH),
        }
        for name in names
    ]
    fields[-2]["primaryKey"] = True
    fields[-1] = {"name": names[-1], "type": "FloatVector", "dimension": 8}
    functions = [
        {
            "name": longest("n", number),
            "type": "TextEmbedding",
            "inputFields": names[-_IN_EACH:],
            "outputFields": names[-_IN_EACH - 2 : -2],
            "params": _params(_IN_EACH),
        }
        for number in range(MOST_FUNCTIONS)
    ]
    indexes = [
        {"field": name, "type": "INVERTED", "params": _params(32, 64)} for name in names[:-1]
    ]
    indexes.append({"field": names[-1], "type": "HNSW", "metricType": "COSINE"})
    schema = {"fields": fields, "functions": functions, "indexes": indexes[::-1]}
    return {"milvus": {"schema": schema}}


def _params(count: int, size: int = _PARAM) -> dict[str, Any]:
    return {longest("p", number, size): "v" * size for number in range(count)}
