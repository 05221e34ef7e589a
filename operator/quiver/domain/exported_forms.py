"""The fields, functions and indexes of a collection that exists, as a spec says them."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from msgspec import structs

from quiver.domain.kubernetes_types import Manifest, Struct
from quiver.domain.milvus_fields import FieldIndex, Form
from quiver.domain.milvus_forms import VECTOR_FIELD, short_form
from quiver.domain.milvus_indexes import INDEXES, METRICS, plain_index
from quiver.domain.takes import MILVUS_1_PARAMS, TAKES
from quiver.domain.text import one_line

SHORT_RANGES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "nlist": (1, 65536),
        "m": (1, 32768),
        "nbits": (1, 16),
        "M": (4, 64),
        "efConstruction": (8, 512),
    }
)
"""The least and the largest value that spec.index.params takes, as in the CRD's rules."""
_PLAIN_NAMES = {"BIN_IVF_FLAT": "IVF_FLAT"}
_OPTIONAL = ("nbits",)
_BRUTE_FORCE = ("FLAT", "BIN_FLAT")


def short_spec(form: Form, indexes: Mapping[str, FieldIndex]) -> Manifest | None:
    """Return what the short form says of the fields and the index; None if it cannot."""
    vector, index = form.find(VECTOR_FIELD), indexes.get(VECTOR_FIELD)
    if vector is None or vector.dimension is None or indexes.keys() - {VECTOR_FIELD}:
        return None
    asked = plain_index(form, vector) if index is None else index
    metric = asked.metric_type or METRICS[vector.type][0]
    if _in_order(form) != short_form(vector.dimension, metric):
        return None
    spec = {"dimension": vector.dimension, "metricType": metric}
    if asked.type in _BRUTE_FORCE:
        # What parameters it has, a server has added: brute force takes none.
        return spec if metric in TAKES["Milvus"].indexes else None
    type_ = _PLAIN_NAMES.get(asked.type, asked.type)
    manifest = index_spec(type_, asked.params)
    if type_ not in TAKES["Milvus"].indexes.get(metric, ()):
        return None
    return {**spec, "index": manifest} if _is_in_ranges(manifest, vector.dimension) else None


def _in_order(form: Form) -> Form:
    return structs.replace(form, fields=tuple(sorted(form.fields, key=lambda field: field.name)))


def _is_in_ranges(index: Manifest, dimension: int) -> bool:
    """Tell whether the CRD takes the index in spec.index."""
    names, params = MILVUS_1_PARAMS.get(index["type"]), index["params"]
    if names is None:
        return True
    of_others = {name for some in MILVUS_1_PARAMS.values() for name in some} - set(names)
    if of_others & params.keys() or set(names) - set(_OPTIONAL) - params.keys():
        return False
    known = {name: params[name] for name in names if name in params}
    if any(not _is_between(value, *SHORT_RANGES[name]) for name, value in known.items()):
        return False
    return index["type"] != "IVF_PQ" or bool(dimension % known["m"] == 0)


def _is_between(value: int | str, least: int, most: int) -> bool:
    return isinstance(value, int) and least <= value <= most


def long_spec(form: Form, indexes: Mapping[str, FieldIndex]) -> Manifest:
    """Return spec.milvus.schema, with all indexes in the order of their fields."""
    listed = [indexes[field.name] for field in form.fields if field.name in indexes]
    manifest: Manifest = _plain(form)
    if listed:
        manifest["indexes"] = [_listed(form, index) for index in listed]
    return manifest


def _listed(form: Form, index: FieldIndex) -> Manifest:
    """Return the index as the spec lists it. milvus-lite tells a metric, NONE, of numbers too."""
    field = form.find(index.field)
    measures = field is not None and field.is_vector
    said = index if measures else structs.replace(index, metric_type=None)
    return {**_plain(said), **_params(index.params)}


def index_spec(type_: str, params: Mapping[str, int | str]) -> Manifest:
    return {"type": type_, "params": _params(params).get("params", {})}


def _params(params: Mapping[str, int | str]) -> Manifest:
    """Return the parameters, with numbers as numbers: servers answer in text."""
    numbers = {name: _as_number(value) for name, value in params.items()}
    return {"params": numbers} if numbers else {}


def _as_number(value: int | str) -> int | str:
    text = str(value)
    plain = text.removeprefix("-").isdecimal() and text.isascii() and len(text) <= 18
    return int(text) if plain and str(int(text)) == text else value


def why_unsaid(form: Form, index: FieldIndex) -> str | None:
    """Return why no spec can name the index; None if it can."""
    field = form.find(index.field)
    if field is None:
        return "of a field that is not described"
    if index.type not in INDEXES[field.type]:
        return f"of type {one_line(index.type, 64)}"
    if field.is_vector and index.metric_type not in (None, *METRICS[field.type]):
        return f"of metric {one_line(index.metric_type or '', 64)}"
    return None


def _plain(part: Struct) -> Manifest:
    manifest: Manifest = msgspec.json.decode(msgspec.json.encode(part))
    return manifest
