"""Names of objects for collections that exist, and which of these are somebody's."""

import re

import pytest

from quiver.domain.collection_schemas import CollectionSchema, ObservedCollection
from quiver.domain.collections import OWNER_PROPERTY
from quiver.domain.exported import Exported, NotExportable
from quiver.domain.imports import Holders, document, object_names
from quiver.domain.kubernetes_types import Key
from quiver.domain.servers import Server
from support.builders import claim, claimed, collection

NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SERVER = Server("uid-of-engine", "a" * 32, None)
ENGINE = Key("team-a", "engine")


def marked(uid: str) -> ObservedCollection:
    return ObservedCollection(schema=CollectionSchema(name="x"), properties={OWNER_PROPERTY: uid})


@pytest.mark.parametrize(
    ("collections", "names"),
    [
        (["Docs_2024"], ["docs-2024"]),
        (["_a__b_"], ["a-b"]),
        (["docs", "Docs", "DOCS"], ["docs", "default-docs", "docs-2"]),
        (["docs", "shop/docs"], ["docs", "shop-docs"]),
        (["\n---\nkind: Secret"], ["kind-secret"]),
        (["___"], ["collection"]),
    ],
)
def test_each_object_has_a_name_of_its_own(collections: list[str], names: list[str]) -> None:
    assert [name for _, name in object_names(collections, ())] == names


def test_long_names_stay_valid_and_apart() -> None:
    collections = [f"{'a' * 62}_{number}" for number in range(20)]
    names = [name for _, name in object_names(collections, ())]
    assert len(set(names)) == len(collections)
    assert all(NAME.fullmatch(name) for name in names)


def test_names_that_are_taken_are_left_to_those_that_have_them() -> None:
    assert dict(object_names(["docs"], {"docs", "default-docs"})) == {"docs": "docs-2"}


def test_a_collection_is_held_by_who_has_claimed_it_on_this_server() -> None:
    """Not by who claims one of that name elsewhere."""
    held = claimed(claim(server=SERVER.identity))
    assert Holders([held]).held(SERVER) == {"test01"}
    assert Holders([held]).held(Server("uid-of-other", "b" * 32, None)) == frozenset()


def test_who_asks_for_a_collection_and_has_not_claimed_it_is_told_apart() -> None:
    asking = collection(spec={"collectionName": "docs", "milvus": {"database": "shop"}})
    assert Holders([asking]).asked(ENGINE) == {"shop/docs"}
    assert Holders([asking]).asked(Key("team-b", "engine")) == frozenset()
    assert Holders([claimed(claim(server=SERVER.identity))]).asked(ENGINE) == frozenset()


def test_a_mark_of_an_object_that_is_not_here_is_remarked() -> None:
    holders = Holders([collection()])
    own = collection()["metadata"]["uid"]
    assert holders.has_marked(marked(own))
    assert holders.mark(marked(own)) is None
    assert holders.mark(marked("else\nwhere")) == "else\nwhere"
    found = document("team-a", "x", Exported(spec={}), "else\nwhere")
    assert "the uid else where, which is not in this cluster" in found.remarks[0]


def test_more_partitions_than_a_spec_lists_are_not_left_out_silently() -> None:
    with pytest.raises(NotExportable, match="4097 partitions"):
        document("a", "x", Exported(spec={"partitions": ["p"] * 4097}), None)
    with pytest.raises(NotExportable, match="262145 bytes"):
        document("a", "x", Exported(spec={"partitions": ["é" * 131072, "p"]}), None)
