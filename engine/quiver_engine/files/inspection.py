"""Looks at every file of a data directory that no engine uses, and changes none."""

import re
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from quiver_engine.errors import DamagedIndex, DamagedSegment, StartError
from quiver_engine.files import (
    catalog_opening,
    catalog_rows,
    index_files,
    instance,
    log_records,
    reading,
    segments,
)
from quiver_engine.files.catalog_rows import CollectionRow, PartitionRow, SegmentRow
from quiver_engine.system.memory import Memory

_TEMPORARY = re.compile(r"\d+\.(seg|idx)(\.tmp)?|INSTANCE\.tmp")
_COPY = re.compile(r"\d+\.log\.damaged")


class Verdict(Enum):
    """What a start makes of a file; the later ones are the worse ones."""

    SOUND = "sound"
    UNUSED = "unused"
    MENDABLE = "mendable"
    DAMAGED = "damaged"
    FATAL = "fatal"


@dataclass(frozen=True)
class Finding:
    path: Path
    verdict: Verdict
    what: str


@dataclass(frozen=True)
class _Listed:
    """What the catalog lists."""

    collections: dict[int, CollectionRow]
    partitions: dict[int, PartitionRow]
    segments: list[SegmentRow]


class Inspection:
    """One look at a data directory; `on_read` gets the number of bytes of each read."""

    def __init__(self, directory: Path, on_read: Callable[[int], object]) -> None:
        self._directory = directory
        self._segments = directory / "segments"
        self._log = directory / "log"
        self._catalog = directory / "catalog.sqlite"
        self._on_read = on_read
        self._seen: set[Path] = {directory / "LOCK", self._segments, self._log}
        self._seen |= {
            self._catalog.with_name(f"catalog.sqlite-{part}") for part in ("wal", "shm", "journal")
        }

    @property
    def is_data_directory(self) -> bool:
        return self._catalog.exists() or self._segments.exists()

    @property
    def total_bytes(self) -> int:
        return sum(size for _, size in _files(self._directory))

    def findings(self) -> Iterator[Finding]:
        """Yield what there is to say of each file, in the order in which a start needs them."""
        yield self._found(self._instance())
        catalog, listed = self._read_catalog()
        yield self._found(catalog)
        if listed is not None:
            for entry in listed.segments:
                yield self._found(self._segment(entry, listed))
                if entry.index is not None:
                    yield self._found(self._index(entry.index, entry))
        for finding in self._logs():
            yield self._found(finding)
        yield from self._others(is_listed=listed is not None)

    def _found(self, finding: Finding) -> Finding:
        self._seen.add(finding.path)
        return finding

    def _instance(self) -> Finding:
        path = self._directory / "INSTANCE"
        try:
            return Finding(path, Verdict.SOUND, f"id {instance.checked(path, path.read_bytes())}")
        except FileNotFoundError:
            why = "it is missing: the next start draws a new id, and Quiver's operator then takes"
            return Finding(path, Verdict.MENDABLE, f"{why} the collections for another engine's")
        except (StartError, OSError) as error:
            return Finding(path, Verdict.FATAL, str(error))

    def _read_catalog(self) -> tuple[Finding, _Listed | None]:
        path = self._catalog
        if not path.exists() or not path.stat().st_size:
            return self._no_catalog(), None
        try:
            with catalog_opening.refusing(path), catalog_opening.loaded(path) as db:
                version = catalog_opening.prepare(db, path)
                listed = _Listed(
                    {row.id: row for row in catalog_rows.collections(db)},
                    {row.id: row for row in catalog_rows.partitions(db)},
                    catalog_rows.segments(db),
                )
        except (StartError, OSError) as error:
            return Finding(path, Verdict.FATAL, str(error)), None
        what = f"{len(listed.collections)} collections, {len(listed.segments)} segments"
        return Finding(path, Verdict.SOUND, f"{what}, format version {version}"), listed

    def _no_catalog(self) -> Finding:
        if any(self._segments.glob("*.seg")) or log_records.files(self._log):
            why = "it is missing or empty: restore the data directory from a backup"
            return Finding(self._catalog, Verdict.FATAL, why)
        return Finding(self._catalog, Verdict.UNUSED, "nothing was ever stored here")

    def _segment(self, entry: SegmentRow, listed: _Listed) -> Finding:
        path = self._segments / f"{entry.id}.seg"
        partition = listed.partitions[entry.partition]
        owner = listed.collections[partition.collection].schema
        of = f"{entry.rows} rows of partition {partition.tag!r} of {owner.name!r}"
        layout = owner.layout
        try:
            segment = segments.load(path, entry.id, layout=layout, rows=entry.rows, memory=Memory())
            segments.verify(segment, self._on_read, reading.past_cache)
        except DamagedSegment as error:
            cure = "restore the file from a backup, or drop the partition and insert them again"
            return Finding(path, Verdict.DAMAGED, f"{error.why}; a start leaves out {of}: {cure}")
        except StartError as error:
            return Finding(path, Verdict.FATAL, str(error))
        return Finding(path, Verdict.SOUND, of)

    def _index(self, number: int, entry: SegmentRow) -> Finding:
        path = self._segments / f"{number}.idx"
        try:
            index_files.verify(path, entry.rows, self._on_read, reading.past_cache)
        except DamagedIndex as error:
            return Finding(path, Verdict.MENDABLE, f"{error.why}; the engine builds it anew")
        return Finding(path, Verdict.SOUND, f"the index of {entry.id}.seg")

    def _logs(self) -> Iterator[Finding]:
        paths = log_records.files(self._log)
        for path in paths:
            damage: list[str] = []
            records = 0

            def note(_: Path, start: int, end: int, damage: list[str] = damage) -> None:
                damage.append(f"{start} to {end}")

            try:
                for _ in log_records.read(path, is_last=path == paths[-1], on_damage=note):
                    records += 1
                self._on_read(path.stat().st_size)
            except (StartError, OSError) as error:
                yield Finding(path, Verdict.FATAL, str(error))
                continue
            if damage:
                lost = "a start keeps a copy of the file and loses what was written there"
                what = f"damaged at bytes {', '.join(damage)}; {lost}, and reads the rest"
                yield Finding(path, Verdict.DAMAGED, what)
            else:
                yield Finding(path, Verdict.SOUND, f"{records} inserts and deletes")

    def _others(self, *, is_listed: bool) -> Iterator[Finding]:
        for path, size in _files(self._directory):
            if path in self._seen:
                continue
            self._on_read(size)
            if _COPY.fullmatch(path.name):
                yield Finding(path, Verdict.UNUSED, "a copy of a damaged log file; remove it")
            elif not _TEMPORARY.fullmatch(path.name):
                yield Finding(path, Verdict.UNUSED, "it is no file of the engine's")
            elif is_listed:
                yield Finding(path, Verdict.UNUSED, "left by a crash; the next start removes it")
            else:
                yield Finding(path, Verdict.UNUSED, "not checked, for want of the catalog")


def _files(directory: Path) -> Iterator[tuple[Path, int]]:
    """Yield the files of a data directory with their sizes."""
    for folder in (directory, directory / "segments", directory / "log"):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            found = path.stat(follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode):
                yield path, found.st_size


def worst(findings: Iterable[Finding]) -> Verdict:
    order = list(Verdict)
    return max((finding.verdict for finding in findings), key=order.index, default=Verdict.SOUND)


def summary(findings: Iterable[Finding]) -> str:
    counts = Counter(finding.verdict for finding in findings)
    return ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict)
