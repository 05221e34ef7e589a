"""Bitmaps of the deleted rows of a segment, which itself never changes."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from quiver_engine.model import Bits, Ids

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Deletions:
    """`rows`, of shape (rows of the segment,), is True for each deleted row."""

    rows: Mask

    @property
    def count(self) -> int:
        return int(np.count_nonzero(self.rows))

    @cached_property
    def living_bits(self) -> Bits:
        """A set bit for each row that is not deleted, in the order in which FAISS reads bits."""
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
    """Return for each of `ids` whether it is among `deleted`."""
    return np.isin(ids, deleted)
