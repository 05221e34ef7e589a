"""Files of what is no longer part of a collection, until they are removed."""

from collections.abc import Iterable
from pathlib import Path

from quiver_engine.files.segments import Segment


class Retired:
    """Who adds to it holds the catalog's lock. Searches under way go on reading the files."""

    def __init__(self) -> None:
        self._paths: list[Path] = []

    def add(self, *paths: Path) -> None:
        self._paths += paths

    def add_segments(self, gone: Iterable[Segment]) -> None:
        """Take segments out of memory for good, with their indexes."""
        for segment in gone:
            self.add(segment.path)
            segment.raw.retire()
            self.add_index(segment)

    def add_index(self, segment: Segment) -> None:
        """Take the index of a segment out of memory for good, if there is one."""
        if segment.index is not None:
            segment.index.loaded.retire()
            self.add(segment.index.path)

    def take(self) -> list[Path]:
        """Return the files, and forget them."""
        taken, self._paths = self._paths, []
        return taken
