"""Each kind of index with parameters for it, and rows that are worth an index."""

import numpy as np

KINDS = {
    "IVF_FLAT": (2, {"nlist": 64}, {"nprobe": 8}, "IVFFLAT", "IVF64,Flat"),
    "IVF_SQ8": (3, {"nlist": 64}, {"nprobe": 8}, "IVFSQ8", "IVF64,SQ8"),
    "IVF_PQ": (6, {"nlist": 64, "m": 8, "nbits": 6}, {"nprobe": 8}, "PQ", "IVF64,PQ8x6np"),
    "HNSW": (11, {"M": 16, "efConstruction": 100}, {"ef": 64}, "HNSW", "HNSW16,Flat"),
    "RNSG": (
        4,
        {"search_length": 45, "out_degree": 32, "candidate_pool_size": 100, "knng": 50},
        {"search_length": 50},
        "NSG",
        "HNSW16,Flat",
    ),
    "ANNOY": (12, {"n_trees": 8}, {"search_k": -1}, "ANNOY", "HNSW8,Flat"),
}
"""By name: its number, build and search parameters, what ShowCollectionInfo calls it, and FAISS's
recipe for one index over all rows that finds as much.
"""
EF = {"HNSW": (100, 64), "RNSG": (100, 50), "ANNOY": (100, 80)}
"""Of the graph that stands for each: efConstruction and ef."""


def clustered(count: int, dimension: int, seed: int = 0) -> np.ndarray:
    """Return rows around a hundred centres, shape (count, dimension)."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(100, dimension))
    near = centres[random.integers(100, size=count)]
    return (near + 0.3 * random.normal(size=(count, dimension))).astype(np.float32)
