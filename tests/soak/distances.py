"""Exact distances, worked out anew with numpy, and how far an engine's may be from them.

All are turned so that less is nearer: an inner product is negated.
"""

import numpy as np
import numpy.typing as npt

from quiver_engine.model import Metric, Vectors

Doubles = npt.NDArray[np.float64]

_ROUNDING = 1e-5
"""Relative to the norms: the engine computes in float32, as ‖x‖² + ‖y‖² - 2xy where it likes."""
_CODES = 255


def exact(metric: Metric, queries: Vectors, rows: Vectors) -> Doubles:
    """Return distances, shape (queries, rows)."""
    if metric is Metric.JACCARD:
        asked, held = _bits(queries), _bits(rows)
        both = asked @ held.T
        either = asked.sum(axis=1)[:, None] + held.sum(axis=1)[None] - both
        share: Doubles = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
        return 1.0 - share
    asked, held = queries.astype(np.float64), rows.astype(np.float64)
    products = asked @ held.T
    if metric is Metric.IP:
        return -products
    return _squares(asked)[:, None] + _squares(held)[None] - 2 * products


def tolerance(
    metric: Metric, queries: Vectors, rows: Vectors, exact: Doubles, *, is_coded: bool
) -> Doubles:
    """Return how far each of these distances may be off, shape (queries, rows).

    `is_coded`: rows may have been shortened to a byte a number, between the least and the greatest
    of all rows or, as residuals of their centroid, within twice that.
    """
    if metric is Metric.JACCARD or not len(rows):
        return np.full(exact.shape, 1e-6)
    asked, held = _squares(queries.astype(np.float64)), _squares(rows.astype(np.float64))
    allowed: Doubles = _ROUNDING * (asked[:, None] + held[None]) + 1e-6
    if is_coded:
        step = 2 * float(rows.max() - rows.min()) / _CODES
        off = step * np.sqrt(rows.shape[1]) / 2
        far = np.sqrt(np.maximum(exact, 0))
        allowed += off * np.sqrt(asked)[:, None] if metric is Metric.IP else off * (2 * far + off)
    return allowed


def _bits(rows: Vectors) -> Doubles:
    return np.unpackbits(rows.astype(np.uint8), axis=1).astype(np.float64)


def _squares(rows: Doubles) -> Doubles:
    squares: Doubles = np.einsum("ij,ij->i", rows, rows)
    return squares
