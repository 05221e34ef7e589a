"""Which claims are believed, and which of them are of one collection."""

import json
from typing import Any

import msgspec
import pytest

from quiver.control.cache.cache import Cache
from quiver.domain.claims import (
    CLAIM_ANNOTATION,
    FINALIZER,
    KEY_BYTES,
    VERIFIED,
    ClaimKeys,
    claim_of,
    finalizing_patch,
    has_status_claim,
    places_of,
    recording_patch,
    releasing_patch,
    replacing_status,
    retained_as,
)
from quiver.domain.collections import Claim, VectorCollection
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Key, Manifest
from support.builders import KEYS, NAMESPACE, claim, claimed, collection, intended

HELD = claim(server="instance:0123")
OTHER_KEY = b"o" * KEY_BYTES
NEW_KEY = b"n" * KEY_BYTES
ENGINE, TWIN = Key(NAMESPACE, "engine"), Key("team-b", "twin")


def kept(manifest: Manifest, keys: ClaimKeys = KEYS) -> Manifest:
    """Return what an operator with these keys keeps of an object."""
    cache = Cache(keys)
    cache.put(VECTOR_COLLECTION, manifest)
    found = cache.get(VECTOR_COLLECTION, Key.of(manifest))
    assert found is not None
    return found


def believed(manifest: Manifest, keys: ClaimKeys = KEYS) -> Claim | None:
    return claim_of(kept(manifest, keys))


def annotated(text: str, **rest: Any) -> Manifest:
    return collection(annotations={CLAIM_ANNOTATION: text}, **rest)


def of_the_release_before(held: Claim) -> str:
    """Return an annotation as the operator wrote it when it signed nothing."""
    fields = msgspec.to_builtins(held)
    fields.pop("server", None)
    return json.dumps(fields)


def signed_fields(**changes: Any) -> str:
    """Return the text of a signed claim in which some fields are others by now."""
    return json.dumps({**json.loads(KEYS.signed(HELD)), **changes})


def test_a_claim_that_the_operator_signed_is_believed() -> None:
    """It comes back as it was, before any status says it."""
    assert KEYS.believed(KEYS.signed(HELD)) == HELD
    assert believed(intended(HELD)) == HELD


def test_a_signature_does_not_depend_on_how_the_json_is_laid_out() -> None:
    """Whoever stores the annotation may write its fields in another order."""
    fields = json.loads(KEYS.signed(HELD))
    text = json.dumps(dict(reversed(fields.items())), indent=2)
    assert KEYS.believed(text) == HELD


@pytest.mark.parametrize(
    ("keys", "is_believed"),
    [
        ([OTHER_KEY], False),
        ([], False),
        ([NEW_KEY, b"k" * KEY_BYTES], True),
        ([b"k" * KEY_BYTES, NEW_KEY], True),
    ],
    ids=["another key", "no key", "the previous key", "the key that signs"],
)
def test_a_claim_is_believed_with_the_key_of_its_time(keys: list[bytes], is_believed: bool) -> None:
    """Each key that is known counts, so that one can be turned; any other counts for nothing."""
    found = believed(intended(HELD), ClaimKeys(keys))
    assert found == (HELD if is_believed else None)


def test_the_first_key_signs() -> None:
    """Once a key is turned, what is signed from then on needs the new one."""
    signed = ClaimKeys([NEW_KEY, OTHER_KEY]).signed(HELD)
    assert ClaimKeys([NEW_KEY]).believed(signed) == HELD
    assert ClaimKeys([OTHER_KEY]).believed(signed) is None


def test_keys_count_from_when_they_are_replaced() -> None:
    """The cache and the reconcilers share one set of keys, which is read again and again."""
    keys = ClaimKeys()
    cache = Cache(keys)
    keys.replace([b"k" * KEY_BYTES])
    cache.put(VECTOR_COLLECTION, intended(HELD))
    (found,) = cache.all(VECTOR_COLLECTION)
    assert claim_of(found) == HELD


@pytest.mark.parametrize(
    "changes",
    [
        {"objectUID": "uid-of-another"},
        {"engineUID": "uid-of-another"},
        {"member": "engine-1"},
        {"collectionName": "payroll"},
        {"origin": "Adopted"},
        {"server": "instance:4567"},
        {"server": None},
        {"partitions": 7},
        {"partitions": "7"},
        {"collectionName": "test01 ", "member": "engine-0"},
    ],
)
def test_a_signed_claim_that_was_altered_is_not_believed(changes: dict[str, Any]) -> None:
    """The signature is of all that the claim says."""
    assert KEYS.believed(signed_fields(**changes)) is None


def test_no_part_of_a_claim_passes_for_another() -> None:
    """What ends one field and begins the next is signed too."""
    ab, a = (KEYS.signed(claim(member=m, collection_name=n)) for m, n in (("ab", "c"), ("a", "bc")))
    assert json.loads(ab)["signature"] != json.loads(a)["signature"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "7",
        '"quiver"',
        "\x00",
        "{}",
        '{"signature": "0"}',
        of_the_release_before(HELD),
        signed_fields(signature=None),
        signed_fields(signature=7),
        signed_fields(signature=""),
        signed_fields(signature="0" * 64),
        signed_fields(signature="é" * 64),
        signed_fields(signature="٣" * 64),
        signed_fields(signature="\N{GRINNING FACE}"),
        signed_fields(signature="x" * 3000),
        signed_fields(origin="Stolen"),
        signed_fields(member=["engine-0"]),
        KEYS.signed(HELD).upper(),
        KEYS.signed(HELD) + " " * 4096,
        "x" * 2**18,
        "[" * 2**18,
    ],
)
def test_what_was_not_signed_is_not_believed(text: str) -> None:
    """Nothing that somebody writes into the annotation is a claim, or disturbs the operator."""
    assert believed(annotated(text)) is None


def test_the_longest_names_fit_into_a_claim_that_is_believed() -> None:
    """The bound on the annotation is far from what the operator writes itself."""
    longest = Claim(
        object_uid="u" * 36,
        engine_uid="e" * 36,
        member="m" * 259,
        collection_name="c" * 255,
        origin="Adopted",
        server="s" * 300,
    )
    assert KEYS.believed(KEYS.signed(longest)) == longest


def test_a_claim_copied_to_another_object_counts_for_nothing() -> None:
    """What is copied or restored has another uid: neither annotation nor status comes along."""
    copied = intended(HELD, uid="uid-of-the-copy")
    assert believed(copied) is None
    assert believed(claimed(HELD, uid="uid-of-the-copy")) is None


def test_the_annotation_says_nothing_beside_a_status() -> None:
    """However well it is signed: the status may be newer, and only the operator writes it."""
    held = claim(member="engine-1", server="instance:4567")
    both = intended(HELD, status={"claim": msgspec.to_builtins(held)})
    assert has_status_claim(both)
    assert believed(both) == held


@pytest.mark.parametrize(
    "standing",
    [
        msgspec.to_builtins(claim(uid="uid-of-another")),
        {},
        {"objectUID": "uid-of-test01"},
        {**msgspec.to_builtins(claim()), "origin": "Stolen"},
        "engine-0",
    ],
    ids=["of another object", "empty", "half", "unreadable", "no object"],
)
def test_a_status_that_holds_no_claim_of_the_object_lets_no_annotation_count(standing: Any) -> None:
    """A claim of somebody else, or one that cannot be read, is no way around the status."""
    assert believed(collection(status={"claim": standing})) is None
    assert believed(intended(HELD, status={"claim": standing})) is None


def test_an_annotation_of_the_release_before_counts_for_nothing() -> None:
    """It bears no signature: alone it claims nothing, and beside a status it changes nothing."""
    text = of_the_release_before(claim(member="engine-1"))
    assert believed(annotated(text)) is None
    assert believed(annotated(text, status={"claim": msgspec.to_builtins(HELD)})) == HELD


def test_the_release_before_reads_what_this_one_writes() -> None:
    """After a rollback the claim is there still: its fields are as they were, with two more."""
    written = json.loads(KEYS.signed(HELD))
    before = json.loads(of_the_release_before(HELD))
    assert {name: written[name] for name in before} == before
    assert set(written) - set(before) == {"server", "partitions", "signature"}


def test_nobody_passes_off_a_claim_as_verified() -> None:
    """The field that says so in memory is taken out of what comes from the API server."""
    forged = {**collection(), VERIFIED: msgspec.to_builtins(HELD)}
    assert believed(forged) is None
    both = {**annotated("{}"), VERIFIED: msgspec.to_builtins(HELD)}
    assert believed(both) is None


def test_other_annotations_stay() -> None:
    """The claim's is taken out of what is kept in memory, whoever wrote it, and no other that is
    read.
    """
    asked = {"quiver.dev/reconcile": "now"}
    annotations = {CLAIM_ANNOTATION: KEYS.signed(HELD), **asked}
    assert kept(collection(annotations=annotations))["metadata"]["annotations"] == asked


POD, ENDPOINT = "engine-0", "milvus.example.org:19530"
PLACES: list[tuple[str, Claim, Key, bool]] = [
    ("the same claim", claim(), ENGINE, True),
    ("another member of the engine", claim(member="engine-1"), ENGINE, True),
    ("another name", claim(collection_name="other"), ENGINE, False),
    ("the engine's uid by another name", claim(), TWIN, True),
    ("the engine made anew", claim(engine="another"), ENGINE, True),
    ("another engine", claim(engine="another"), TWIN, False),
]


@pytest.mark.parametrize(
    ("other", "engine", "is_one"), [c[1:] for c in PLACES], ids=[c[0] for c in PLACES]
)
def test_a_name_is_one_collections_in_an_engine(other: Claim, engine: Key, is_one: bool) -> None:
    """On whatever member, and whether the engine is known by its name or by its uid."""
    assert bool(places_of(claim(), ENGINE) & places_of(other, engine)) is is_one


@pytest.mark.parametrize(
    ("member", "server", "is_one"),
    [
        (ENDPOINT, "instance:0123", True),
        (ENDPOINT, "instance:4567", True),
        (ENDPOINT, None, True),
        ("10.0.0.7:19530", "instance:0123", True),
        ("10.0.0.7:19530", "instance:4567", False),
        ("10.0.0.7:19530", None, False),
    ],
)
def test_a_name_is_one_collections_on_a_server(
    member: str, server: str | None, is_one: bool
) -> None:
    """Several engines may list an endpoint, or one server by several names."""
    held = claim(member=ENDPOINT, server="instance:0123")
    other = claim(engine="twin", member=member, server=server)
    assert bool(places_of(held, ENGINE) & places_of(other, TWIN)) is is_one
    images = msgspec.structs.replace(other, collection_name="images")
    assert not places_of(held, ENGINE) & places_of(images, TWIN)


def test_pods_of_two_engines_are_two_servers() -> None:
    """They may have one name, and even one id, after a volume was copied."""
    other = claim(engine="twin", server=HELD.server)
    assert not places_of(HELD, ENGINE) & places_of(other, TWIN)


def test_what_is_left_is_known_by_its_server() -> None:
    """Whichever engine object led there: each name on it is one entry."""
    assert retained_as(HELD) == "instance:0123/test01"
    other = claim(engine="twin", member="engine-1", collection_name="docs", server=HELD.server)
    assert retained_as(other) == "instance:0123/docs"


def test_a_claim_in_the_status_is_replaced_as_a_whole() -> None:
    """A merge patch leaves what it does not name: nothing of the claim before may stay."""
    patch = replacing_status(claim())["claim"]
    assert set(patch) == {f.encode_name for f in msgspec.structs.fields(Claim)}
    assert {name: value for name, value in patch.items() if value is not None} == (
        msgspec.to_builtins(claim())
    )


def test_finalizers_of_others_stay() -> None:
    """Whatever is written of ours, what others wait for is theirs; none is written twice."""
    manifest = collection(finalizers=["example.com/other", FINALIZER])
    object_ = msgspec.convert(manifest, VectorCollection)
    both = ["example.com/other", FINALIZER]
    assert finalizing_patch(object_) == {"metadata": {"finalizers": both}}
    recorded = recording_patch(object_, "signed")["metadata"]
    assert recorded == {"finalizers": both, "annotations": {CLAIM_ANNOTATION: "signed"}}
    assert releasing_patch(object_) == {"metadata": {"finalizers": ["example.com/other"]}}
    alone = msgspec.convert(collection(finalizers=[FINALIZER]), VectorCollection)
    assert releasing_patch(alone) == {"metadata": {"finalizers": None}}
