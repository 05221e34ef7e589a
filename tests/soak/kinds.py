"""The collections of a soak: small ones, whose segments are cut, merged and indexed often."""

import json
from dataclasses import dataclass

import numpy as np

from quiver_engine.model import Bits, Floats, IndexType, Metric, RowLayout, Vectors

INDEX_FILE_SIZE_MB = 1
LISTS = 16
_CENTRES = 40
_BIT_PATTERNS = 40


@dataclass(frozen=True)
class Index:
    """An index as it is asked for."""

    type: IndexType
    params: str = "{}"


FLAT = Index(IndexType.FLAT)
_IVF = json.dumps({"nlist": LISTS})
IVF_FLAT = Index(IndexType.IVF_FLAT, _IVF)
IVF_SQ8 = Index(IndexType.IVF_SQ8, _IVF)
HNSW = Index(IndexType.HNSW, json.dumps({"M": 16, "efConstruction": 100}))


@dataclass(frozen=True)
class Kind:
    """One collection: `indexes` are those it may get, the first one above all."""

    name: str
    dimension: int
    metric: Metric
    indexes: tuple[Index, ...]
    has_own_ids: bool = True
    """Whether its users name the rows; else the engine does."""

    @property
    def layout(self) -> RowLayout:
        if self.metric.is_binary:
            return RowLayout(np.dtype("u1"), self.dimension // 8)
        return RowLayout(np.dtype("<f4"), self.dimension)

    def draw(self, random: np.random.Generator, count: int) -> Vectors:
        """Return rows in clusters, float32 (count, dimension) or bits (count, dimension / 8)."""
        always_the_same = np.random.default_rng(self.dimension)
        if self.metric.is_binary:
            shape = (_BIT_PATTERNS, self.layout.width)
            patterns = always_the_same.integers(256, size=shape, dtype=np.uint8)
            noise = random.integers(256, size=(3, count, shape[1]), dtype=np.uint8)
            flips: Bits = noise[0] & noise[1] & noise[2]
            bits: Bits = patterns[random.integers(_BIT_PATTERNS, size=count)] ^ flips
            return bits
        centres = always_the_same.normal(size=(_CENTRES, self.dimension))
        places = centres[random.integers(_CENTRES, size=count)]
        drawn: Floats = (places + 0.4 * random.normal(size=places.shape)).astype(np.float32)
        return drawn


KINDS = (
    Kind("flat_l2", 128, Metric.L2, (FLAT,)),
    Kind("flat_ip", 16, Metric.IP, (FLAT, IVF_FLAT), has_own_ids=False),
    Kind("ivf_flat_l2", 64, Metric.L2, (IVF_FLAT, FLAT, HNSW)),
    Kind("ivf_sq8_ip", 64, Metric.IP, (IVF_SQ8, IVF_FLAT), has_own_ids=False),
    Kind("hnsw_l2", 64, Metric.L2, (HNSW, IVF_SQ8, FLAT)),
    Kind("bits_jaccard", 1024, Metric.JACCARD, (IVF_FLAT, FLAT)),
)
