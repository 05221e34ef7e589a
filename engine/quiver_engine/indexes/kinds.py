"""The table of index types: a row says everything that the engine has to know of one.

The import of this module fails if a type has no row, or one whose recipes do not suit its metrics.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from quiver_engine.indexes import binary_indexes, graphs, ivf, reranking
from quiver_engine.indexes.binary_indexes import RecipeOfBits
from quiver_engine.indexes.faiss_indexes import Recipe
from quiver_engine.indexes.graphs import MAX_EF, Graph
from quiver_engine.indexes.ivf import GpuCodes, Ivf
from quiver_engine.model import IndexType, Metric


@dataclass(frozen=True)
class Param:
    """A parameter of a build or a search: a whole number from `least` to `most`, both allowed."""

    least: int
    most: int
    is_optional: bool = False
    from_topk: bool = False
    """A search's topk is the least, in place of `least`."""
    divides_dimension: bool = False
    """The collection's dimension has to be a multiple of it."""
    most_built: int | None = None
    """The protocol allows more than this; FAISS cannot build it."""


Parameters = Mapping[str, Param]


@dataclass(frozen=True, kw_only=True)
class IndexKind:
    """A row of the table. No field has a default, so that none is forgotten for a new type."""

    type: IndexType
    shown_as: str
    """The name in ShowCollectionInfo, which puts BIN_ in front for bits."""
    build: Parameters
    search: Parameters
    metrics: frozenset[Metric]
    """The metrics of collections that may have such an index."""
    floats: Recipe | None
    """None where no index over floats is built."""
    bits: RecipeOfBits | None
    gpu: GpuCodes | None
    """None where only the CPU can search such an index."""
    taken_on_cpu: IndexType | None
    """Of a type that needs a GPU, the type to take on an engine without one; None of others."""
    reranks: bool
    """Whether exact distances order what such an index finds (reranking.py)."""

    def search_parameters(self, topk: int) -> Parameters:
        """Return `search`, with the ranges for a search with this topk."""
        return {
            name: replace(param, least=topk) if param.from_topk else param
            for name, param in self.search.items()
        }

    def candidates(self, count: int) -> int:
        """Return how many rows such an index is to find where the best `count` are wanted."""
        return reranking.candidates(count) if self.reranks else count

    @property
    def recipe(self) -> Recipe:
        """`floats` of a type that has it; raises LookupError for another."""
        if self.floats is None:
            raise LookupError(f"nothing builds {self.type.name} over floats")
        return self.floats

    @property
    def recipe_of_bits(self) -> RecipeOfBits:
        """`bits` of a type that has it; raises LookupError for another."""
        if self.bits is None:
            raise LookupError(f"nothing builds {self.type.name} over bits")
        return self.bits


_NLIST = {"nlist": Param(1, 65_536)}
# A search of more lists than there are searches all of them.
_NPROBE = {"nprobe": Param(1, 65_536)}
_SEARCH_LENGTH = {"search_length": Param(10, 300)}
_FLOATS = frozenset({Metric.L2, Metric.IP})

_ROWS = (
    IndexKind(
        type=IndexType.FLAT,
        shown_as="IDMAP",
        build={},
        search={},
        metrics=frozenset(Metric),
        floats=None,
        bits=None,
        gpu=None,
        taken_on_cpu=None,
        reranks=False,
    ),
    IndexKind(
        type=IndexType.IVF_FLAT,
        shown_as="IVFFLAT",
        build=_NLIST,
        search=_NPROBE,
        metrics=_FLOATS | {Metric.HAMMING, Metric.JACCARD, Metric.TANIMOTO},
        floats=Ivf("Flat"),
        bits=binary_indexes.IVF,
        gpu=ivf.GPU_FLAT,
        taken_on_cpu=None,
        reranks=False,
    ),
    IndexKind(
        type=IndexType.IVF_SQ8,
        shown_as="IVFSQ8",
        build=_NLIST,
        search=_NPROBE,
        metrics=_FLOATS,
        floats=Ivf("SQ8"),
        bits=None,
        gpu=ivf.GPU_SQ8,
        taken_on_cpu=None,
        reranks=False,
    ),
    IndexKind(
        type=IndexType.IVF_SQ8H,
        shown_as="IVFSQ8H",
        build=_NLIST,
        search=_NPROBE,
        metrics=_FLOATS,
        floats=Ivf("SQ8"),
        bits=None,
        gpu=ivf.GPU_SQ8,
        taken_on_cpu=IndexType.IVF_SQ8,
        reranks=False,
    ),
    IndexKind(
        type=IndexType.IVF_PQ,
        shown_as="PQ",
        build={
            **_NLIST,
            "m": Param(1, 2**31 - 1, divides_dimension=True),
            "nbits": Param(1, 16, is_optional=True, most_built=ivf.MAX_NBITS),
        },
        search=_NPROBE,
        metrics=_FLOATS,
        # np: no polysemous codes, which take most of the training and which no search uses.
        floats=Ivf("PQ{m}x{nbits}np"),
        bits=None,
        gpu=ivf.GPU_PQ,
        taken_on_cpu=None,
        reranks=True,
    ),
    IndexKind(
        type=IndexType.RNSG,
        shown_as="NSG",
        build={
            **_SEARCH_LENGTH,
            "out_degree": Param(5, 300),
            "candidate_pool_size": Param(50, 1000),
            "knng": Param(5, 300),
        },
        search=_SEARCH_LENGTH,
        metrics=_FLOATS,
        floats=Graph(graphs.rnsg_shape, graphs.rnsg_ef),
        bits=None,
        gpu=None,
        taken_on_cpu=None,
        reranks=False,
    ),
    IndexKind(
        type=IndexType.HNSW,
        shown_as="HNSW",
        build={"M": Param(4, 64), "efConstruction": Param(8, 512)},
        search={"ef": Param(1, MAX_EF, from_topk=True)},
        metrics=_FLOATS,
        floats=Graph(graphs.hnsw_shape, graphs.hnsw_ef),
        bits=None,
        gpu=None,
        taken_on_cpu=None,
        reranks=False,
    ),
    IndexKind(
        type=IndexType.ANNOY,
        shown_as="ANNOY",
        build={"n_trees": Param(1, 1024)},
        search={"search_k": Param(-(2**63), 2**63 - 1)},
        metrics=_FLOATS,
        floats=Graph(graphs.annoy_shape, graphs.annoy_ef),
        bits=None,
        gpu=None,
        taken_on_cpu=None,
        reranks=False,
    ),
)


def table(rows: Iterable[IndexKind]) -> Mapping[IndexType, IndexKind]:
    """Return the rows by their types.

    Raises LookupError for a type with no row or with two, and for one with metrics and no recipe.
    """
    kinds: dict[IndexType, IndexKind] = {}
    for row in rows:
        if row.type in kinds:
            raise LookupError(f"{row.type.name} has two rows in the table of index types")
        if row.type is not IndexType.FLAT and not _serves_its_metrics(row):
            raise LookupError(f"the recipes of {row.type.name} are not for the metrics it has")
        kinds[row.type] = row
    for missing in IndexType:
        if missing not in kinds:
            raise LookupError(f"{missing.name} has no row in the table of index types")
    return kinds


def _serves_its_metrics(row: IndexKind) -> bool:
    has_bits = any(metric.is_binary for metric in row.metrics)
    has_floats = any(not metric.is_binary for metric in row.metrics)
    return (has_floats, has_bits) == (row.floats is not None, row.bits is not None)


KINDS = table(_ROWS)
"""In the order in which messages list them."""
