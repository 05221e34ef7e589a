"""The recovery at the start: the collections as the catalog and the files on disk have them."""

import logging
from collections.abc import Callable
from pathlib import Path

from quiver_engine.errors import DamagedIndex, DamagedSegment
from quiver_engine.files import deletions, segments
from quiver_engine.files.catalog import Catalog
from quiver_engine.files.catalog_rows import SegmentRow
from quiver_engine.files.datadir import DataDir
from quiver_engine.files.index_files import IndexFile
from quiver_engine.files.progress import Progress
from quiver_engine.files.segments import Segment
from quiver_engine.model import IndexSpec
from quiver_engine.store import damage
from quiver_engine.store.collection import Collection, Partition

logger = logging.getLogger(__name__)

LoadIndex = Callable[[int, IndexSpec, int, int], IndexFile]
"""Map an index file; takes its number, its index, its segment's number and rows."""


def collections(
    catalog: Catalog, directory: DataDir, load_index: LoadIndex, progress: Progress
) -> list[Collection]:
    """Return all collections with verified segments, and remove what a crash left behind.

    A damaged segment is left out, and its file is kept. A damaged index is dropped and later built
    anew. Raises StartError for a file of another format.
    """
    listed = catalog.collections()
    found = {
        row.id: Collection(row.id, row.schema, row.id_origin, row.index, row.flushed)
        for row in listed
    }
    partitions: dict[int, tuple[Collection, Partition]] = {}
    for row in catalog.partitions():
        owner, partition = found[row.collection], Partition(row.id, row.tag)
        owner.partitions[row.tag] = partition
        partitions[row.id] = (owner, partition)
    recovering = _Recovery(catalog, directory, load_index, progress)
    entries = catalog.segments()
    progress.expect_segments(len(entries))
    for entry in entries:
        owner, partition = partitions[entry.partition]
        recovering.segment(entry, owner, partition)
        progress.verified()
    directory.keep_only(recovering.files)
    directory.number_after([*recovering.numbers, *(row.index.covers for row in listed)])
    return list(found.values())


class _Recovery:
    """Reads the segments that the catalog lists; collects their files and numbers."""

    def __init__(
        self, catalog: Catalog, directory: DataDir, load_index: LoadIndex, progress: Progress
    ) -> None:
        self.files: set[Path] = set()
        self.numbers: list[int] = []
        self._catalog = catalog
        self._directory = directory
        self._load_index = load_index
        self._progress = progress

    def segment(self, entry: SegmentRow, owner: Collection, partition: Partition) -> None:
        path = self._directory.segment_path(entry.id)
        self._count(entry.id, path)
        try:
            partition.segments += (self._read(entry, owner),)
        except DamagedSegment as error:
            partition.damaged += (path,)
            damage.left_out(error, entry.rows, partition, owner)
            if entry.index is not None:
                # Without its segment in memory, a later change of the index would not remove it.
                self._catalog.remove_index(entry.index)

    def _read(self, entry: SegmentRow, owner: Collection) -> Segment:
        segment = self._directory.load_segment(
            entry.id, layout=owner.schema.layout, rows=entry.rows
        )
        segments.verify(segment, self._progress.reading)
        if entry.deletions is not None:
            stored = deletions.from_bytes(entry.deletions, entry.rows)
            segment = segments.with_deletions(segment, stored)
        if entry.index is None:
            return segment
        index = self._index(entry.index, entry, owner.index.spec)
        return segments.with_index(segment, index)

    def _index(self, number: int, entry: SegmentRow, spec: IndexSpec) -> IndexFile | None:
        try:
            index = self._load_index(number, spec, entry.id, entry.rows)
        except DamagedIndex as error:
            logger.warning("%s; it is built anew", error)
            self._catalog.remove_index(number)
            return None
        self._count(number, index.path)
        return index

    def _count(self, number: int, path: Path) -> None:
        self.numbers.append(number)
        self.files.add(path)
