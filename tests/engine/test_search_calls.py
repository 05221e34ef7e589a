"""SearchByID, SearchInFiles, loading and releasing."""

import numpy as np
import pytest

from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1, extra_params, found_distances, found_ids, records


@pytest.fixture(scope="module")
def held(client: Milvus1) -> str:
    """Rows 0-9 in _default and 10-19 in partition p, each at its number on a line."""
    client.create("line", dimension=1)
    client.create_partition("line", "p")
    client.insert("line", [[i] for i in range(10)], range(10))
    client.insert("line", [[i] for i in range(10, 20)], range(10, 20), "p")
    client.flush("line")
    return "line"


def by_id(client: Milvus1, name: str, ids: list[int], **more: object) -> pb.TopKQueryResult:
    asked = {"topk": 2} | more
    return client.stub.SearchByID(pb.SearchByIDParam(collection_name=name, id_array=ids, **asked))


def test_search_by_id_starts_from_stored_rows(client: Milvus1, held: str) -> None:
    """Each id's own row is its nearest; an id that is not there gets -1 at the worst distance.

    Rows are looked up in the whole collection, and tags say where their neighbours are searched.
    """
    result = by_id(client, held, [3, 99, 12])
    np.testing.assert_array_equal(found_ids(result)[:, 0], [3, -1, 12])
    np.testing.assert_allclose(found_distances(result)[:, 0], [0, 3.4028235e38, 0])
    np.testing.assert_array_equal(found_ids(by_id(client, held, [99])), [[-1, -1]])
    inside = found_ids(by_id(client, held, [10, 3], partition_tag_array=["p"]))
    np.testing.assert_array_equal(inside, [[10, 11], [10, 11]])


@pytest.mark.parametrize(
    ("name", "ids", "more", "code"),
    [
        ("no-name", [], {"topk": 0}, pb.ILLEGAL_ARGUMENT),
        ("no-name", [1], {"topk": 0}, pb.ILLEGAL_COLLECTION_NAME),
        ("missing", [1], {"topk": 0}, pb.ILLEGAL_TOPK),
        ("missing", [1], {"extra_params": extra_params("[")}, pb.COLLECTION_NOT_EXISTS),
        (
            "line",
            [99],
            {"extra_params": extra_params("["), "partition_tag_array": ["none"]},
            pb.ILLEGAL_ARGUMENT,
        ),
        ("line", [99], {"partition_tag_array": ["none"]}, pb.UNEXPECTED_ERROR),
    ],
)
def test_search_by_id_checks_ids_name_topk_existence_parameters_tags_in_that_order(
    client: Milvus1, held: str, name: str, ids: list[int], more: dict, code: int
) -> None:
    """SearchByID answers the code of the first check that fails."""
    assert by_id(client, name, ids, **more).status.error_code == code


def test_search_in_files_sees_the_named_segments_only(client: Milvus1, held: str) -> None:
    """Segments are named as ShowCollectionInfo names them; unknown ones are refused.

    Without names it is a search of all.
    """
    first, second = [segment["name"] for segment in client.segments(held)]

    def search(*names: str) -> pb.TopKQueryResult:
        query = pb.SearchParam(collection_name=held, query_record_array=records([[9.6]]), topk=1)
        asked = pb.SearchInFilesParam(file_id_array=names, search_param=query)
        return client.stub.SearchInFiles(asked)

    assert found_ids(search(first)).tolist() == [[9]]
    assert found_ids(search(second)).tolist() == [[10]]
    assert found_ids(search(first, second, first)).tolist() == [[10]]
    assert found_ids(search()).tolist() == [[10]]
    assert search("none").status.error_code == pb.UNEXPECTED_ERROR


def test_what_is_loaded_released_and_reloaded_is_found_all_the_same(client: Milvus1) -> None:
    """Preload, Release and ReloadSegments change what is in memory and no answer."""
    rows = np.random.default_rng(1).normal(size=(5000, 8)).astype(np.float32)
    client.create("loaded", dimension=8)
    client.insert("loaded", rows, range(5000))
    client.create_index("loaded", 2, '{"nlist": 16}')
    client.insert("loaded", rows[:1] + 100, [5000])
    client.flush("loaded")
    names = [segment["name"] for segment in client.segments("loaded")]
    whole = pb.PreloadCollectionParam(collection_name="loaded")
    steps = [
        lambda: client.stub.PreloadCollection(whole),
        lambda: client.stub.ReleaseCollection(whole),
        lambda: client.stub.ReloadSegments(
            pb.ReLoadSegmentsParam(collection_name="loaded", segment_id_array=names)
        ),
    ]
    for step in steps:
        assert step() == pb.Status(reason="OK")
        found = found_ids(client.search("loaded", rows[:50], params='{"nprobe": 16}'))
        np.testing.assert_array_equal(found.ravel(), range(50))


def test_loading_what_is_not_there_is_refused(client: Milvus1, held: str) -> None:
    """A missing collection: code 4; a tag that matches nothing or an unknown segment: code 1."""
    missing = pb.PreloadCollectionParam(collection_name="missing")
    no_tag = pb.PreloadCollectionParam(collection_name=held, partition_tag_array=["none"])
    for call in (client.stub.PreloadCollection, client.stub.ReleaseCollection):
        assert call(missing).error_code == pb.COLLECTION_NOT_EXISTS
        assert call(no_tag).error_code == pb.UNEXPECTED_ERROR
    no_segment = pb.ReLoadSegmentsParam(collection_name=held, segment_id_array=["none"])
    assert client.stub.ReloadSegments(no_segment).error_code == pb.UNEXPECTED_ERROR
