"""Where names in the ports lead: NAME to the database `default`, DATABASE/NAME to another one."""

from __future__ import annotations

from typing import NamedTuple

DEFAULT_DATABASE = "default"
NAME_LIMIT = 255
"""Characters of a name of a collection, a partition, a database or an alias."""


class Place(NamedTuple):
    """A collection on a server."""

    database: str
    collection: str

    @classmethod
    def of(cls, name: str) -> Place:
        """Return where a name in the ports leads."""
        database, _, collection = name.rpartition("/")
        return cls(database or DEFAULT_DATABASE, collection)

    @property
    def name(self) -> str:
        """The collection's name in the ports."""
        is_default = self.database == DEFAULT_DATABASE
        return self.collection if is_default else f"{self.database}/{self.collection}"

    @property
    def db_name(self) -> str:
        """The database in requests: nothing for `default`, which servers without databases know."""
        return "" if self.database == DEFAULT_DATABASE else self.database
