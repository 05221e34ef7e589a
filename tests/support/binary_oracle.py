"""Distances between rows of bits as their definitions say, computed without FAISS."""

import math

import numpy as np

from quiver_engine.model import Metric

METRICS = [metric for metric in Metric if metric.is_binary]
MATCHES = (Metric.SUBSTRUCTURE, Metric.SUPERSTRUCTURE)


def plain(metric: Metric, query: np.ndarray, row: np.ndarray) -> float:
    """Return the distance of two rows as its definition says; infinity where there is no match."""
    asked, held = set(np.flatnonzero(np.unpackbits(query))), set(np.flatnonzero(np.unpackbits(row)))
    match metric:
        case Metric.HAMMING:
            return len(asked ^ held)
        case Metric.SUBSTRUCTURE:
            return 0 if asked <= held else math.inf
        case Metric.SUPERSTRUCTURE:
            return 0 if asked >= held else math.inf
    share = len(asked & held) / len(asked | held) if asked | held else 0
    if metric is Metric.JACCARD:
        return 1 - share
    return -math.log2(share) if share else math.inf


def plain_answer(
    metric: Metric, queries: np.ndarray, rows: np.ndarray, topk: int, *, missing: float
) -> np.ndarray:
    """Return the distances of the topk best rows, best first, (queries, topk)."""
    exact = np.full((len(queries), len(rows) + topk), np.nan)
    exact[:, : len(rows)] = [[plain(metric, query, row) for row in rows] for query in queries]
    if metric in MATCHES:
        exact[np.isinf(exact)] = np.nan
    best = np.sort(exact, axis=1)[:, :topk]
    return np.where(np.isnan(best), missing, best)


def similar(count: int, width: int, seed: int = 0) -> np.ndarray:
    """Return rows in clusters, few bits of each set."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).random((50, width * 8)) < 0.2
    rows = centres[random.integers(50, size=count)] ^ (random.random((count, width * 8)) < 0.05)
    return np.packbits(rows, axis=1)


def nested(count: int, width: int, seed: int = 0) -> np.ndarray:
    """Return rows of which many have all the bits of others, some none and some all."""
    random = np.random.default_rng(seed)
    share = random.choice([0, 0.02, 0.5, 0.98, 1], size=(count, 1))
    return np.packbits(random.random((count, width * 8)) < share, axis=1)
