"""Fields and functions that are added to collections, and changed."""

from quiver_proto import milvus2_pb2 as pb
from support.milvus_server.catalog import VECTORS, Catalog, Stored, entries, pairs
from support.milvus_server.default_rules import check_default
from support.milvus_server.field_rules import LONGEST, MOST_ELEMENTS, check_field, check_number
from support.milvus_server.function_rules import check_function
from support.milvus_server.indexes import add_index, flat
from support.milvus_server.properties import note_last_field
from support.milvus_server.refusals import LOADED, UNAVAILABLE, Refusal, unexpected, wrong
from support.milvus_server.schema_rules import MOST_FIELDS, SYSTEM, most_vectors
from support.milvus_server.versions import ADDED_VECTORS, LATER_FIELD_KEYS, Version

DESCRIPTION = "field.description"
IN_MEMORY = frozenset({"mmap.enabled", "warmup"})
ALTERABLE = IN_MEMORY | {"max_length", "max_capacity", DESCRIPTION}
LATER = frozenset({"warmup", DESCRIPTION})
WITH_OUTPUT = frozenset({pb.BM25, pb.MIN_HASH})
FUNCTION_PARAMS = frozenset(
    {
        *("url", "credential", "timeout", "max_client_batch_size"),
        *("region", "location", "projectid", "user"),
    }
)


class Growth:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def add_field(self, request: pb.AddCollectionFieldRequest) -> None:
        found = self._catalog.get(request.db_name, request.collection_name)
        self._add(found, pb.FieldSchema.FromString(request.schema))

    def alter_field(self, request: pb.AlterCollectionFieldRequest) -> None:
        """The order of a field's parameters is another one afterwards."""
        found = self._catalog.get(request.db_name, request.collection_name)
        changed, deleted = entries(request.properties), list(request.delete_keys)
        self._check_keys(changed, deleted)
        field = found.field(request.field_name)
        if field is None:
            raise wrong(f"field {request.field_name} does not exist in collection")
        if found.is_loaded and IN_MEMORY & {*changed, *deleted}:
            raise Refusal(LOADED, "can not alter mmap or warmup of a field if collection loaded")
        _check_sizes(field, changed)
        field.description = changed.pop(DESCRIPTION, field.description)
        params = {**entries(field.type_params), **changed}
        kept = [key for key in reversed(params) if key not in deleted]
        del field.type_params[:]
        field.type_params.extend(pairs({key: params[key] for key in kept}))

    def add_function(self, request: pb.AddCollectionFunctionRequest) -> None:
        found, function = self._found(request), request.function_schema
        self._check_new(found, function)
        if function.type in WITH_OUTPUT:
            raise wrong("currently does not support adding BM25 function through this API")
        check_function(function, found.schema.fields, self._catalog.version)
        for name in function.output_field_names:
            output = found.field(name)
            assert output is not None
            if output.is_function_output:
                raise wrong(f"the field {name} is the output of another function")
            output.is_function_output = True
        found.schema.functions.append(function)

    def alter_function(self, request: pb.AlterCollectionFunctionRequest) -> None:
        found, function = self._found(request), request.function_schema
        if request.function_name != function.name:
            raise wrong("invalid function config, name not match")
        before = next((f for f in found.schema.functions if f.name == function.name), None)
        if before is None:
            raise wrong(f"function {function.name} not found")
        if before.type in WITH_OUTPUT:
            raise wrong("currently does not support alter BM25 function")
        _check_alteration(before, function)
        before.CopyFrom(function)

    def alter_schema(self, request: pb.AlterCollectionSchemaRequest) -> None:
        """Add a field, as Milvus' own client does it on 3.0; or one function with its output field,
        which gets its index in the same call.
        """
        found = self._catalog.get(request.db_name, request.collection_name)
        added = request.action.add_request
        if len(added.field_infos) == 1 and not added.func_schema:
            self._add(found, added.field_infos[0].field_schema)
            return
        if len(added.field_infos) != 1 or len(added.func_schema) != 1:
            raise wrong("exactly one field and one function are added at a time")
        info, function = added.field_infos[0], added.func_schema[0]
        field = info.field_schema
        self._check_new(found, function)
        if function.type not in WITH_OUTPUT or list(function.output_field_names) != [field.name]:
            raise wrong("only a BM25 or MinHash function with its output field is added")
        check_added(found, field, self._catalog.version)
        check_field(field, self._catalog.version)
        check_function(function, [*found.schema.fields, field], self._catalog.version)
        if not info.extra_params:
            raise wrong(f"index params of the field {field.name} are required")
        field.is_function_output = True
        params = flat(entries(info.extra_params))
        add_index(found, field, params, info.index_name, self._catalog)
        found.schema.fields.append(field)
        found.schema.functions.append(function)
        note_last_field(found)

    def _add(self, found: Stored, field: pb.FieldSchema) -> None:
        check_added(found, field, self._catalog.version)
        if not field.nullable:
            reason = "added field must be nullable, please check it, field name ="
            raise wrong(f"{reason} {field.name}")
        check_field(field, self._catalog.version)
        check_default(field)
        found.schema.fields.append(field)
        note_last_field(found)

    def _found(
        self, request: pb.AddCollectionFunctionRequest | pb.AlterCollectionFunctionRequest
    ) -> Stored:
        return self._catalog.get(request.db_name, request.collection_name)

    def _check_keys(self, changed: dict[str, str], deleted: list[str]) -> None:
        for key in changed:
            later = key in LATER and self._catalog.version < LATER_FIELD_KEYS
            if key not in ALTERABLE or later:
                raise wrong(f"{key} does not allow update in collection field param")
        for key in deleted:
            if key not in IN_MEMORY:
                raise wrong(f"{key} is not allowed to drop in collection field param")

    def _check_new(self, found: Stored, function: pb.FunctionSchema) -> None:
        if any(there.name == function.name for there in found.schema.functions):
            raise wrong(f"function name already exists: {function.name}")
        if self._catalog.version >= (3, 0, 0) and not self._catalog.has_storage_v3:
            raise Refusal(UNAVAILABLE, "service unavailable: this needs StorageV3")


def check_added(found: Stored, field: pb.FieldSchema, version: Version) -> None:
    """Raises: Refusal for a field that no collection takes later, or not this one."""
    fields = found.schema.fields
    if len(fields) >= MOST_FIELDS:
        raise wrong(f"The number of fields has reached the maximum value {MOST_FIELDS}")
    if found.field(field.name) is not None:
        raise wrong(f"duplicated field name {field.name}")
    if field.name in SYSTEM:
        raise wrong(f"not support to add system field, field name = {field.name}")
    if field.is_primary_key:
        raise wrong(f"not support to add pk field, field name = {field.name}")
    if field.auto_id:
        raise wrong("only primary field can speficy AutoID with true")
    if field.is_partition_key:
        raise wrong(f"not support to add partition key field, field name = {field.name}")
    if field.is_clustering_key and any(each.is_clustering_key for each in fields):
        raise wrong("already has another clustering key field")
    if field.data_type in VECTORS:
        _check_added_vector(found, field, version)


def _check_added_vector(found: Stored, field: pb.FieldSchema, version: Version) -> None:
    if version < ADDED_VECTORS:
        raise wrong(f"not support to add vector field, field name = {field.name}")
    most = most_vectors(version)
    if len(found.vectors) >= most:
        raise unexpected(f"maximum vector field's number should be limited to {most}")


def _check_sizes(field: pb.FieldSchema, changed: dict[str, str]) -> None:
    """A size may shrink: servers do not look."""
    if "max_length" in changed:
        if pb.VARCHAR not in (field.data_type, field.element_type):
            raise wrong(f"max_length can not be altered of field {field.name}")
        check_number(field, changed["max_length"], "max_length", LONGEST)
    if "max_capacity" in changed:
        if field.data_type != pb.ARRAY:
            raise wrong(f"max_capacity can not be altered of field {field.name}")
        check_number(field, changed["max_capacity"], "max_capacity", MOST_ELEMENTS)


def _check_alteration(before: pb.FunctionSchema, after: pb.FunctionSchema) -> None:
    sides = [(f.type, [*f.input_field_names], [*f.output_field_names]) for f in (before, after)]
    if sides[0] != sides[1]:
        raise wrong(f"type, inputs and outputs of function {after.name} cannot change")
    old, new = entries(before.params), entries(after.params)
    differing = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    if not differing <= FUNCTION_PARAMS:
        raise wrong(f"{sorted(differing - FUNCTION_PARAMS)} cannot be altered of {after.name}")
