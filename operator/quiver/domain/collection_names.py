"""Names of collections, and of databases that they are in."""

import re
from typing import Annotated

from msgspec import Meta

CollectionName = Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$", max_length=255)]


DEFAULT_DATABASE = "default"


def default_collection_name(object_name: str) -> str:
    """Turn an object's name into a name that engines accept.

    `-` and `.` become `_`, and a leading digit gets a `_` in front.
    """
    name = re.sub(r"[-.]", "_", object_name)
    return f"_{name}" if name[0].isdigit() else name


def qualified_name(database: str | None, name: str) -> str:
    """Return the name in the ports of the collection `name` of a database of Milvus."""
    return name if database in (None, DEFAULT_DATABASE) else f"{database}/{name}"


def split_name(name: str) -> tuple[str, str]:
    """Return the database and the name in it of a collection's name in the ports."""
    database, separator, rest = name.rpartition("/")
    return (database, rest) if separator else (DEFAULT_DATABASE, rest)
