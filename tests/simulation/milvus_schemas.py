"""The schemas of users in long form, and how they come to change them."""

from collections.abc import Callable
from copy import deepcopy
from random import Random

from quiver.domain.kubernetes_types import Manifest
from simulation.milvus_forms import field_of, functions_of, index_of, is_vector

DOCS: Manifest = {
    "fields": [
        {"name": "id", "type": "VarChar", "maxLength": 64, "primaryKey": True},
        {"name": "title", "type": "VarChar", "maxLength": 128},
        {"name": "year", "type": "Int32"},
        {"name": "dense", "type": "FloatVector", "dimension": 8},
        {"name": "bits", "type": "BinaryVector", "dimension": 16},
    ],
    "indexes": [
        {"field": "title", "type": "INVERTED"},
        {"field": "year", "type": "STL_SORT"},
        {
            "field": "dense",
            "type": "HNSW",
            "metricType": "COSINE",
            "params": {"M": 16, "efConstruction": 64},
        },
    ],
}
"""Two vectors, of which one has no index of its own, and scalars with indexes."""
TENANTS: Manifest = {
    "fields": [
        {"name": "id", "type": "Int64", "primaryKey": True, "autoID": True},
        {"name": "tenant", "type": "VarChar", "maxLength": 64, "partitionKey": True},
        {"name": "dense", "type": "FloatVector", "dimension": 8},
    ],
    "dynamicFields": True,
}
"""A partition key, and no index."""
TEXTS: Manifest = {
    "fields": [
        {"name": "id", "type": "Int64", "primaryKey": True, "autoID": True},
        {
            "name": "text",
            "type": "VarChar",
            "maxLength": 512,
            "params": {"enable_analyzer": "true"},
        },
        {"name": "dense", "type": "FloatVector", "dimension": 8},
    ],
    "indexes": [{"field": "dense", "type": "AUTOINDEX", "metricType": "IP"}],
}
"""A text that can be searched by its words, once there is a function for it."""
TERMS: Manifest = {"name": "terms", "type": "SparseFloatVector"}
BM25: Manifest = {
    "name": "bm25",
    "type": "BM25",
    "inputFields": ["text"],
    "outputFields": ["terms"],
}
ADDABLE: tuple[Manifest, ...] = (
    {"name": "note", "type": "VarChar", "maxLength": 32, "nullable": True},
    {"name": "rank", "type": "Int32", "nullable": True, "default": 7},
    {"name": "extra", "type": "FloatVector", "dimension": 8, "nullable": True},
)
TRIES = 8
"""Changes that are thought of, until one makes a difference."""
INDEXES: dict[str, tuple[Manifest, ...]] = {
    "FloatVector": (
        {"type": "HNSW", "metricType": "COSINE", "params": {"M": 16, "efConstruction": 64}},
        {"type": "IVF_FLAT", "metricType": "L2", "params": {"nlist": 16}},
        {"type": "AUTOINDEX", "metricType": "IP"},
    ),
    "BinaryVector": ({"type": "BIN_IVF_FLAT", "metricType": "JACCARD", "params": {"nlist": 16}},),
    "VarChar": ({"type": "INVERTED"}, {"type": "Trie"}),
    "Int32": ({"type": "INVERTED"}, {"type": "STL_SORT"}),
}
"""What users choose from, by the type of the field."""


class SchemaAuthor:
    """Writes schemas and changes them, as the seed chooses."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def written(self) -> Manifest:
        """Return a new schema."""
        shape = deepcopy(self._rng.choice((DOCS, TENANTS, TEXTS, TEXTS)))
        if shape["fields"] == TEXTS["fields"] and self._rng.random() < 0.5:
            self._add_function(shape)
        if self._rng.random() < 0.2:
            self._add_field(shape)
        return shape

    def grown(self, schema: Manifest) -> Manifest:
        """Return the schema with a change that can be made."""
        choices: tuple[Callable[[Manifest], None], ...] = (
            *(3 * (self._add_field,)),
            self._lengthen,
            self._describe,
            *(2 * (self._choose_index,)),
            *(2 * (self._take_index_off,)),
            self._open,
            *(2 * (self._add_function,)),
        )
        for _ in range(TRIES):
            changed = deepcopy(schema)
            self._rng.choice(choices)(changed)
            if changed != schema:
                return changed
        return schema

    def breached(self, schema: Manifest) -> Manifest:
        """Return the schema with a change that cannot be made."""
        changed = deepcopy(schema)
        choices = (self._remove_field, self._shorten, self._retype, self._close, self._demand)
        self._rng.choice(choices)(changed)
        return changed

    # What can be changed.

    def _add_field(self, schema: Manifest) -> None:
        new = self._rng.choice(ADDABLE)
        if field_of(schema, new["name"]) is None:
            schema["fields"].append(dict(new))
            if self._rng.random() < 0.5:
                self._set_index(schema, new)

    def _lengthen(self, schema: Manifest) -> None:
        self._texts_choice(schema)["maxLength"] *= 2

    def _describe(self, schema: Manifest) -> None:
        field = self._rng.choice(schema["fields"])
        field["description"] = self._rng.choice(("as it was", "as it will be"))

    def _choose_index(self, schema: Manifest) -> None:
        self._set_index(schema, self._rng.choice(schema["fields"]))

    def _take_index_off(self, schema: Manifest) -> None:
        indexes = schema.get("indexes", [])
        if indexes:
            indexes.remove(self._rng.choice(indexes))
            schema["indexes"] = indexes

    def _open(self, schema: Manifest) -> None:
        schema["dynamicFields"] = True

    def _add_function(self, schema: Manifest) -> None:
        if field_of(schema, "text") is not None and not functions_of(schema):
            schema["fields"].append(dict(TERMS))
            schema["functions"] = [deepcopy(BM25)]

    # What cannot.

    def _remove_field(self, schema: Manifest) -> None:
        """Leave one field out that nothing else needs."""
        used = {name for f in functions_of(schema) for name in (*f["inputFields"], "terms")}
        free = [f for f in schema["fields"] if f["name"] not in (*used, "id", "dense")]
        if free:
            gone = self._rng.choice(free)
            schema["fields"].remove(gone)
            indexes = schema.get("indexes", [])
            schema["indexes"] = [i for i in indexes if i["field"] != gone["name"]]

    def _shorten(self, schema: Manifest) -> None:
        self._texts_choice(schema)["maxLength"] -= 1

    def _retype(self, schema: Manifest) -> None:
        dense = field_of(schema, "dense")
        assert dense is not None, "each schema has one"
        dense["dimension"] = 24 - dense["dimension"]

    def _close(self, schema: Manifest) -> None:
        schema["dynamicFields"] = False

    def _demand(self, schema: Manifest) -> None:
        """Add a field that the rows that are there would lack."""
        if field_of(schema, "must") is None:
            schema["fields"].append({"name": "must", "type": "Int32"})

    # Choices

    def _texts_choice(self, schema: Manifest) -> Manifest:
        texts = [f for f in schema["fields"] if f["type"] == "VarChar"] or [{"maxLength": 1}]
        found: Manifest = self._rng.choice(texts)
        return found

    def _set_index(self, schema: Manifest, field: Manifest) -> None:
        """Give a field another index. Those of computed fields stay what they are."""
        known = INDEXES.get(field["type"], ())
        if not known or (field.get("primaryKey") and not is_vector(field)):
            return
        new = {"field": field["name"], **deepcopy(self._rng.choice(known))}
        before, indexes = index_of(schema, field["name"]), schema.get("indexes", [])
        schema["indexes"] = [*(i for i in indexes if i != before), new]
