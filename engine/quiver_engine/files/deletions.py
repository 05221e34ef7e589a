"""Which rows of a segment are deleted: a bitmap beside it, as the segment itself never changes."""

from dataclasses import dataclass
from functools import cached_property

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

    @cached_property
    def living_bits(self) -> Bits:
        """A bit for each row that is not deleted, as FAISS reads them."""
        return np.packbits(~self.rows, bitorder="little")

    def to_bytes(self) -> bytes:
        return np.packbits(self.rows, bitorder="little").tobytes()

    def plus(self, more: Mask) -> "Deletions":
        return Deletions(self.rows | more)

    @property
    def living(self) -> Ids:
        """The numbers of the rows that are not deleted."""
        return np.flatnonzero(~self.rows)


def none(rows: int) -> Deletions:
    return Deletions(np.zeros(rows, bool))


def from_bytes(stored: bytes, rows: int) -> Deletions:
    bits = np.frombuffer(stored, np.uint8)
    return Deletions(np.unpackbits(bits, count=rows, bitorder="little").astype(bool))


def hit(ids: Ids, deleted: Ids) -> Mask:
    """Return which of the ids are among the deleted ones."""
    return np.isin(ids, deleted)
