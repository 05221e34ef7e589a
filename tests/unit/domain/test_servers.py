"""Whether a claim was made on the server that is there now."""

import msgspec
import pytest

from quiver.domain.servers import Server
from support.builders import claim

UID, ANOTHER = "uid-of-engine", "uid-of-another"
MINE, THEIRS = "0" * 32, "1" * 32
HERE, THERE = "10.0.0.7:19530", "10.0.0.8:19530"
ON_MINE = Server(UID, MINE, None).identity
ON_POD, ON_HERE = f"engine:{UID}", f"address:{HERE}"

PODS: list[tuple[str, str | None, str | None, str, bool]] = [
    ("as it was", ON_MINE, MINE, UID, True),
    ("another engine object has its volume", ON_MINE, MINE, ANOTHER, True),
    ("a new volume", ON_MINE, THEIRS, UID, False),
    ("a new volume, and engine object", ON_MINE, THEIRS, ANOTHER, False),
    ("rolled back to one that tells none", ON_MINE, None, UID, True),
    ("another that tells none", ON_MINE, None, ANOTHER, False),
    ("tells none, as ever", ON_POD, None, UID, True),
    ("tells none, and the engine object was made anew", ON_POD, None, ANOTHER, False),
    ("upgraded to one that tells it", ON_POD, MINE, UID, True),
    ("upgraded, and the engine object was made anew", ON_POD, MINE, ANOTHER, False),
    ("claimed before servers were told apart", None, None, UID, True),
    ("claimed before, for another engine object", None, None, ANOTHER, False),
    ("claimed before, and tells it", None, MINE, UID, True),
    ("claimed before, for another, and tells it", None, MINE, ANOTHER, False),
]
ENDPOINTS: list[tuple[str, str | None, str | None, str, str, bool]] = [
    ("as it was", ON_MINE, MINE, HERE, UID, True),
    ("moved", ON_MINE, MINE, THERE, ANOTHER, True),
    ("another at its address", ON_MINE, THEIRS, HERE, UID, False),
    ("one that tells none", ON_MINE, None, HERE, UID, False),
    ("tells none, at its address", ON_HERE, None, HERE, UID, True),
    ("tells none, for another engine object", ON_HERE, None, HERE, ANOTHER, True),
    ("tells none, at another address", ON_HERE, None, THERE, UID, False),
    ("upgraded to one that tells it", ON_HERE, MINE, HERE, UID, True),
    ("tells it, at another address", ON_HERE, MINE, THERE, UID, False),
    ("is no pod", ON_POD, None, HERE, UID, False),
    ("claimed before servers were told apart", None, None, HERE, UID, True),
    ("claimed before, and tells it", None, MINE, HERE, UID, True),
    ("claimed before, for another engine object", None, None, HERE, ANOTHER, False),
    ("claimed before, for another, and tells it", None, MINE, HERE, ANOTHER, False),
]


@pytest.mark.parametrize(
    ("remembered", "instance", "uid", "is_of"), [c[1:] for c in PODS], ids=[c[0] for c in PODS]
)
def test_a_pod_is_known_by_its_data(
    remembered: str | None, instance: str | None, uid: str, is_of: bool
) -> None:
    """By the id of its directory or, where it tells none, by its engine's uid."""
    assert Server(uid, instance, None).is_of(claim(server=remembered)) is is_of


@pytest.mark.parametrize(
    ("remembered", "instance", "address", "uid", "is_of"),
    [c[1:] for c in ENDPOINTS],
    ids=[c[0] for c in ENDPOINTS],
)
def test_a_server_of_others_is_known_by_its_data_or_its_address(
    remembered: str | None, instance: str | None, address: str, uid: str, is_of: bool
) -> None:
    """What the claim remembers decides, wherever the endpoint's name leads now."""
    held = claim(member="milvus.example.org:19530", server=remembered)
    assert Server(uid, instance, address).is_of(held) is is_of


@pytest.mark.parametrize("server", [Server(UID, MINE, None), Server(UID, None, HERE)])
def test_a_claim_remembers_the_server_that_it_was_made_on(server: Server) -> None:
    """What it is told of the server is enough to know it again, whatever else the claim says."""
    held = claim(server=server.identity)
    elsewhere = msgspec.structs.replace(held, engine_uid=ANOTHER, member="other-7")
    assert server.is_of(elsewhere)


def test_an_identity_does_not_tell_the_id() -> None:
    """It stands in objects that many may read, and an engine with that id passes for this one."""
    assert MINE not in ON_MINE
    assert Server(UID, THEIRS, None).identity != ON_MINE
    assert Server(ANOTHER, MINE, HERE).identity == ON_MINE


def test_a_server_without_an_id_is_where_it_is() -> None:
    """A pod's address goes with it: it is its engine's, whichever of its pods it is."""
    assert Server(UID, None, HERE).identity == ON_HERE
    assert Server(UID, None, None).identity == ON_POD
