"""What the cache has seen: the newest version of each kind, and objects that are gone."""

from typing import NamedTuple

from quiver.domain.kubernetes_types import Kind

TOMBSTONES = 20_000


class Mark(NamedTuple):
    """What the cache knew of a kind when a list was requested.

    `newest` is the newest version that it had seen, there where the list is of, `burials` how many
    objects it had known to be gone. Lists are consistent: unless the API server's store was
    restored from a backup since, a list is as of `newest` or later, and has none of those objects.
    """

    newest: int = 0
    burials: int = 0


NO_MARK = Mark()


class Seen:
    """Versions by kind and namespace, and the last TOMBSTONES objects that are gone, by uid."""

    def __init__(self) -> None:
        self._newest: dict[Kind, dict[str, int]] = {}
        self._gone: dict[str, int] = {}
        self._burials = 0

    def mark(self, kind: Kind, namespace: str = "") -> Mark:
        """Return what is known of the kind, before a list of it is requested: of all namespaces or
        of one, since each list of one has to show by itself that the store went back.
        """
        newest = self._newest.get(kind, {})
        known = newest.get(namespace, 0) if namespace else max(newest.values(), default=0)
        return Mark(known, self._burials)

    def note(self, kind: Kind, namespace: str, version: int) -> None:
        newest = self._newest.setdefault(kind, {})
        newest[namespace] = max(version, newest.get(namespace, 0))

    def listed(self, kind: Kind, namespace: str, version: int) -> None:
        """Take the version of a list as the newest, in all namespaces or in the list's one."""
        others = self._newest.get(kind, {}) if namespace else {}
        self._newest[kind] = {**others, namespace: version}

    def is_gone(self, uid: str) -> bool:
        return uid in self._gone

    def bury(self, uid: str) -> None:
        self._gone[uid] = self._burials
        self._burials += 1
        if len(self._gone) > TOMBSTONES:
            del self._gone[next(iter(self._gone))]

    def unbury(self, uid: str, mark: Mark) -> None:
        """Forget that the object was gone, if it was gone already when the list was requested."""
        if self._gone.get(uid, mark.burials) < mark.burials:
            del self._gone[uid]
