"""How collections grow on a Milvus in memory. For its sources see `fake_milvus`."""

from collections.abc import Mapping

from msgspec import structs

from quiver.adapters.milvus.errors import EXISTS, NOT_FOUND
from quiver.domain.milvus_features import feature_of_adding, feature_of_adding_function
from quiver.domain.milvus_fields import ADDED_WITH_OUTPUT, MOST_FIELDS, Field, Form, Function
from quiver.domain.milvus_forms import ALTERABLE_FUNCTION_PARAMS, DESCRIPTION
from quiver.domain.milvus_indexes import plain_index
from quiver.domain.milvus_versions import Feature, MilvusVersion, can, needed
from quiver.ports.errors import EngineRefused
from support.milvus_codes import BAD_PARAMETER, LOADED, UNIMPLEMENTED, refused, standing
from support.milvus_indexing import MilvusIndexing
from support.milvus_memory import MilvusCollection
from support.milvus_rules import (
    check_field,
    most_vectors,
    violations_of_function,
)

DYNAMIC = "dynamicfield.enabled"
KEYS = frozenset({"max_length", "max_capacity", "mmap.enabled", "warmup", DESCRIPTION})
NOT_WHILE_LOADED = frozenset({"mmap.enabled", "warmup"})
LARGEST = {"max_length": 65535, "max_capacity": 4096}
FIRST_ID = 100
"""That of the first field; Milvus' own fields are below."""
LATER_KEYS = MilvusVersion(2, 6)
"""From here on a field's description and its warmup change."""


class MilvusGrowth(MilvusIndexing):
    """It looks before it adds, as the driver does: a server does not take the same thing twice."""

    def add_field(self, name: str, field: Field) -> None:
        found = self.found(name)
        self._require(feature_of_adding(field))
        _check_is_new(field, found.form)
        _check_added(field, found.form, self.version)
        check_field(field, self.version)
        self._put(found, structs.replace(found.form, fields=(*found.form.fields, field)))

    def alter_field(self, name: str, field: str, changed: Mapping[str, str]) -> None:
        found = self.found(name)
        self._require(Feature.ALTER_FIELD)
        before = found.form.find(field)
        if before is None:
            raise EngineRefused(NOT_FOUND, f"there is no field {field!r}", retriable=True)
        for key in changed:
            later = key in ("warmup", DESCRIPTION) and not self._is_at_least(LATER_KEYS)
            if key not in KEYS or later:
                reason = f"{key} does not allow update in collection field param"
                raise refused(BAD_PARAMETER, reason)
        fixed = sorted(NOT_WHILE_LOADED & changed.keys())
        if fixed and found.load.state != "NotLoaded":
            raise refused(LOADED, f"can not alter {', '.join(fixed)} if collection loaded")
        after = _altered(before, changed)
        fields = tuple(after if each.name == field else each for each in found.form.fields)
        self._put(found, structs.replace(found.form, fields=fields), grows=False)

    def add_function(self, name: str, function: Function, output: Field | None) -> None:
        """The output field gets its index in the same call."""
        found, form = self.found(name), self.found(name).form
        self._require(feature_of_adding_function(function))
        if any(there.name == function.name for there in form.functions):
            reason = f"the function {function.name!r} exists"
            raise EngineRefused(EXISTS, reason, retriable=True)
        if (function.type in ADDED_WITH_OUTPUT) != (output is not None):
            reason = f"currently does not support adding {function.type} function through this API"
            raise refused(BAD_PARAMETER, reason)
        if output is not None:
            _check_is_new(output, form)
            check_field(output, self.version)
        fields = form.fields if output is None else (*form.fields, output)
        after = structs.replace(form, fields=fields, functions=(*form.functions, function))
        for wrong in violations_of_function(function, after, self.version):
            raise refused(BAD_PARAMETER, wrong)
        self._put(found, after)
        if output is not None:
            self.set_field_index(name, plain_index(after, output))

    def alter_function(self, name: str, function: Function) -> None:
        found = self.found(name)
        self._require(Feature.ADD_FUNCTION)
        there = {each.name: each for each in found.form.functions}
        before = there.get(function.name)
        if before is None:
            reason = f"there is no function {function.name!r}"
            raise EngineRefused(NOT_FOUND, reason, retriable=True)
        after = structs.replace(function, params={**before.params, **function.params})
        if function.type != "TextEmbedding" or not _may_become(before, after):
            raise refused(BAD_PARAMETER, f"function {function.name} cannot be changed so")
        there[function.name] = after
        self._put(found, structs.replace(found.form, functions=tuple(there.values())), grows=False)

    def _enable_dynamic_fields(self, found: MilvusCollection, value: str) -> None:
        if value.lower() not in ("true", "false"):
            raise refused(BAD_PARAMETER, f"invalid dynamic schema property value: {value}")
        if value.lower() == "false" and found.form.dynamic_fields:
            raise refused(BAD_PARAMETER, "dynamic schema cannot supported to be disabled")
        if value.lower() == "true" and not found.form.dynamic_fields:
            self._put(found, structs.replace(found.form, dynamic_fields=True))

    def _put(self, found: MilvusCollection, form: Form, *, grows: bool = True) -> None:
        """Note the form; a server that has added a field says so in a property of its own."""
        found.schema = structs.replace(found.schema, form=form)
        if grows:
            last = FIRST_ID + len(form.fields) + form.dynamic_fields - 1
            found.properties["max_field_id"] = str(last)

    def _is_at_least(self, version: MilvusVersion) -> bool:
        return self.version is None or self.version >= version

    def _require(self, feature: Feature) -> None:
        if not can(self.version, feature):
            raise refused(UNIMPLEMENTED, f"{needed(feature)}, and this is {self.told_version}")


def _check_is_new(field: Field, form: Form) -> None:
    if form.find(field.name) is not None:
        raise EngineRefused(EXISTS, f"the field {field.name!r} exists", retriable=True)


def _check_added(field: Field, form: Form, version: MilvusVersion | None) -> None:
    if len(form.fields) >= MOST_FIELDS:
        raise refused(BAD_PARAMETER, f"The number of fields has reached {MOST_FIELDS}")
    if field.primary_key or field.auto_id:
        raise refused(BAD_PARAMETER, f"not support to add pk field, field name = {field.name}")
    if field.partition_key:
        reason = f"not support to add partition key field, field name  = {field.name}"
        raise refused(BAD_PARAMETER, reason)
    if field.clustering_key and any(each.clustering_key for each in form.fields):
        raise refused(BAD_PARAMETER, "already has another clustering key field")
    most = most_vectors(version)
    if field.is_vector and len(form.vectors) >= most:
        raise standing(f"maximum vector field's number should be limited to {most}")
    if not field.nullable:
        reason = f"added field must be nullable, please check it, field name = {field.name}"
        raise refused(BAD_PARAMETER, reason)


def _altered(field: Field, changed: Mapping[str, str]) -> Field:
    params, larger = dict(field.params), dict[str, int]()
    for key, value in changed.items():
        if key in LARGEST:
            larger[key] = _checked_size(field, key, value)
        elif key != DESCRIPTION:
            params[key] = value
    description = changed.get(DESCRIPTION, field.description)
    return structs.replace(field, params=params, description=description, **larger)


def _checked_size(field: Field, key: str, value: str) -> int:
    """Servers would have it shrink; the driver does not ask for that."""
    there = getattr(field, key)
    if there is None:
        raise refused(BAD_PARAMETER, f"{key} is not of the field {field.name}")
    if value.isdecimal() and int(value) < there:
        raise EngineRefused("ILLEGAL_PARAMETER", f"{key} is larger by now", retriable=True)
    if not value.isdecimal() or not 0 < int(value) <= LARGEST[key]:
        raise refused(BAD_PARAMETER, f"{key} must be from 1 to {LARGEST[key]}")
    return int(value)


def _may_become(before: Function, after: Function) -> bool:
    sides = [(f.type, f.input_fields, f.output_fields) for f in (before, after)]
    keys = before.params.keys() | after.params.keys()
    differing = {k for k in keys if str(before.params.get(k)) != str(after.params.get(k))}
    return sides[0] == sides[1] and differing <= ALTERABLE_FUNCTION_PARAMS
