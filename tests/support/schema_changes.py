"""What a later schema of a CRD refuses, or drops, that an earlier one took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

MOST = ("maximum", "maxLength", "maxItems", "maxProperties")
LEAST = ("minimum", "minLength", "minItems", "minProperties")
EXACT = (
    *("type", "format", "pattern", "multipleOf", "exclusiveMaximum", "exclusiveMinimum"),
    *("default", "nullable", "not", "anyOf", "oneOf", "allOf"),
    *("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"),
    *("x-kubernetes-list-map-keys", "x-kubernetes-map-type"),
)
"""Of these any change counts: which of two is tighter cannot be seen, or clients rely on them."""
INT_OR_STRING = "x-kubernetes-int-or-string"
_WIDENED = ("type", "format", "anyOf", INT_OR_STRING)
RULES = "x-kubernetes-validations"
LIST_TYPE = "x-kubernetes-list-type"
BELOW = (("items", "[]"), ("additionalProperties", "{}"))


def tightened(before: Schema, after: Schema, path: str = "") -> Iterator[str]:
    """Name each change by which `after` takes less than `before`, or keeps less of it.

    A field that `before` does not have may be of any kind, unless it is required. A field may have
    become an entry of a map.
    """
    for change in _changes(before, after):
        yield f"{path or '.'} {change}"
    for name, schema in before.get("properties", {}).items():
        found = after.get("properties", {}).get(name, after.get("additionalProperties"))
        if found is None:
            yield f"{path}.{name} is gone"
        else:
            yield from tightened(schema, found, f"{path}.{name}")
    for key, mark in BELOW:
        if key in before and key in after:
            yield from tightened(before[key], after[key], path + mark)
        elif key in before:
            yield f"{path}{mark} is gone"


def _changes(before: Schema, after: Schema) -> Iterator[str]:
    yield from _changed_bounds(before, after)
    widened = _WIDENED if _takes_text_too(before, after) else ()
    for key in EXACT:
        if key not in widened and after.get(key) != before.get(key):
            yield f"{key} {before.get(key)} -> {after.get(key)}"
    if "enum" in after and (lost := _lost_values(before, after)):
        yield f"enum without {lost}"
    if added := sorted({*after.get("required", [])} - {*before.get("required", [])}):
        yield f"requires {added}"
    if after.get(LIST_TYPE) in {"set", "map"} and after.get(LIST_TYPE) != before.get(LIST_TYPE):
        yield f"{LIST_TYPE} {before.get(LIST_TYPE)} -> {after[LIST_TYPE]}"
    known = {rule["rule"] for rule in before.get(RULES, [])}
    yield from (f"rule {r['rule']}" for r in after.get(RULES, []) if r["rule"] not in known)


def _changed_bounds(before: Schema, after: Schema) -> Iterator[str]:
    for key in MOST:
        is_new = key == "maxLength" and _takes_text_too(before, after)
        if not is_new and after.get(key, float("inf")) < before.get(key, float("inf")):
            yield f"{key} {before.get(key)} -> {after[key]}"
    for key in LEAST:
        if after.get(key, float("-inf")) > before.get(key, float("-inf")):
            yield f"{key} {before.get(key)} -> {after[key]}"


def _takes_text_too(before: Schema, after: Schema) -> bool:
    """Tell whether a number may be a text now, as well."""
    return before.get("type") == "integer" and bool(after.get(INT_OR_STRING))


def _lost_values(before: Schema, after: Schema) -> list[Any]:
    if "enum" not in before:
        return ["what is not listed"]
    return [value for value in before["enum"] if value not in after["enum"]]
