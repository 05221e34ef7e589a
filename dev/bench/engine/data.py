"""Rows and queries, always the same, and the bytes of requests with them."""

from dataclasses import dataclass

import faiss
import numpy as np

from quiver_engine.model import Floats, Ids
from quiver_proto import milvus_pb2 as pb

CLUSTERS = 1000
QUERIES = 1000
TOPK = 10
_ROWS_AT_ONCE = 100_000


@dataclass(frozen=True)
class Size:
    """A data set: so many rows of so many floats."""

    rows: int
    dimension: int

    def __str__(self) -> str:
        return f"{self.rows:,} x {self.dimension}"

    @property
    def bytes(self) -> int:
        return self.rows * self.dimension * 4

    @property
    def index_file_size(self) -> int:
        """MB at which all rows are one segment."""
        return self.bytes // 2**20 + 1


def clustered(size: Size) -> tuple[Floats, Floats]:
    """Return rows and 1,000 queries from one mixture of 1,000 Gaussians."""
    random = np.random.default_rng(42)
    centres = random.standard_normal((CLUSTERS, size.dimension), np.float32)

    def drawn(count: int) -> Floats:
        noise = random.standard_normal((count, size.dimension), np.float32)
        return centres[random.integers(CLUSTERS, size=count)] + 0.5 * noise

    queries = drawn(QUERIES)
    rows = np.empty((size.rows, size.dimension), np.float32)
    for start in range(0, size.rows, _ROWS_AT_ONCE):
        part = rows[start : start + _ROWS_AT_ONCE]
        part[:] = drawn(len(part))
    return rows, queries


def exact(rows: Floats, queries: Floats) -> Ids:
    found: Ids = faiss.knn(queries, rows, TOPK)[1]
    return found


def recall(found: Ids, wanted: Ids) -> float:
    hits = (len(np.intersect1d(one, other)) for one, other in zip(found, wanted, strict=True))
    return sum(hits) / wanted.size


def insert_request(collection: str, vectors: Floats, ids: Ids) -> bytes:
    """Serialize an InsertParam, without an object for each row."""
    one = pb.InsertParam(row_record_array=[pb.RowRecord(float_data=vectors[0])])
    rest = pb.InsertParam(collection_name=collection, row_id_array=ids.tolist())
    return _rows(one.SerializeToString(), vectors) + rest.SerializeToString()


def search_request(collection: str, queries: Floats, params: str) -> bytes:
    """Serialize a SearchParam; `params` is JSON text."""
    one = pb.SearchParam(query_record_array=[pb.RowRecord(float_data=queries[0])])
    rest = pb.SearchParam(
        collection_name=collection,
        topk=TOPK,
        extra_params=[pb.KeyValuePair(key="params", value=params)],
    )
    return _rows(one.SerializeToString(), queries) + rest.SerializeToString()


def _rows(one: bytes, vectors: Floats) -> bytes:
    """Return the bytes of all rows, given those of the first: they differ in the floats alone."""
    width = vectors.shape[1] * 4
    header = np.frombuffer(one[:-width], np.uint8)
    grid = np.empty((len(vectors), len(one)), np.uint8)
    grid[:, : len(header)] = header
    grid[:, len(header) :] = np.ascontiguousarray(vectors, "<f4").view(np.uint8)
    return grid.tobytes()
