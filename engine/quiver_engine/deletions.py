"""Which rows of a segment are deleted: a bitmap beside it, as the segment itself never changes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quiver_engine.model import Bits, Ids

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Deletions:
    """`rows` has True for each deleted row of the segment."""

    rows: Mask

    @property
    def count(self) -> int:
        return int(np.count_nonzero(self.rows))

    @property
    def living_bits(self) -> Bits:
        """A bit for each row that is not deleted, as FAISS reads them."""
        return np.packbits(~self.rows, bitorder="little")

    def to_bytes(self) -> bytes:
        return np.packbits(self.rows, bitorder="little").tobytes()

    def plus(self, more: Mask) -> "Deletions":
        return Deletions(self.rows | more)

    def living_runs(self) -> list[tuple[int, int]]:
        """Return from where to where no row is deleted."""
        edges = np.diff(np.concatenate(([True], self.rows, [True])).astype(np.int8))
        starts, ends = np.flatnonzero(edges == -1), np.flatnonzero(edges == 1)
        return list(zip(starts.tolist(), ends.tolist(), strict=True))


def none(rows: int) -> Deletions:
    return Deletions(np.zeros(rows, bool))


def from_bytes(stored: bytes, rows: int) -> Deletions:
    bits = np.frombuffer(stored, np.uint8)
    return Deletions(np.unpackbits(bits, count=rows, bitorder="little").astype(bool))


def hit(ids: Ids, deleted: Ids) -> Mask:
    """Return which of the ids are among the deleted ones."""
    return np.isin(ids, deleted)
