"""Steps with Milvus 2.3.5 as the engine."""

import json
from functools import partial

from demo.play import Play, expect, expect_in
from demo.stage import ENGINE

VECTORS = 1000
SOUGHT = ("17", "471", "999")
SEARCHES = 100
MANIFEST = "dev/demo/manifests/milvus-collections.yaml"
FIXED = "is fixed when the collection is created"


def connect(play: Play) -> None:
    play.stage.apply_engine()
    play.wait_ready(f"veng/{ENGINE}")
    play.shell.run("kubectl", "get", f"veng/{ENGINE}", "-o", "wide")
    play.shell.run("cat", MANIFEST)


def search_when_ready(play: Play) -> None:
    """Every search is answered from the moment on at which `kubectl wait` says Ready."""
    wait = ("kubectl", "wait", "vcol/articles", "--for=condition=Ready", "--timeout=60s")
    play.shell.run("kubectl", "apply", "-f", MANIFEST)
    said = _client(play, "search-when", "articles", str(SEARCHES), "--", *wait)
    expect_in(f"{SEARCHES} of {SEARCHES} searches", said, "the client's answer")
    play.wait_ready("vcol", "--all")
    play.shell.run("kubectl", "get", "vcol", "-o", "wide")


def insert_and_search(play: Play) -> None:
    play.screen.note("python is here that of a venv with pymilvus 3.0.2, as it was published")
    described = json.loads(_client(play, "describe", "articles"))
    expect(described["fields"], {"id": "INT64", "vector": "FLOAT_VECTOR"}, "the fields")
    expect(described["index"], "HNSW COSINE", "the index")
    expect(described["partitions"], ["_default", "y2024", "y2025"], "the partitions")
    _client(play, "insert", "articles", str(VECTORS))
    answers = _client(play, "search", "articles", *SOUGHT).splitlines()
    expect(len(answers), len(SOUGHT), "the number of answers")
    for number, answer in zip(SOUGHT, answers, strict=True):
        expect_in(f"vector {number}: {number},", answer, "the answer")


def change_what_is_fixed(play: Play) -> None:
    change = '{"spec":{"dimension":512}}'
    said = play.shell.refused("kubectl", "patch", "vcol", "articles", "--type=merge", "-p", change)
    expect_in(FIXED, said, "the API server's answer")


def release_and_load(play: Play) -> None:
    for enabled, state in ((False, "NotLoad"), (True, "Loaded")):
        change = json.dumps({"spec": {"milvus": {"load": {"enabled": enabled}}}})
        play.shell.run("kubectl", "patch", "vcol", "faces", "--type=merge", "-p", change)
        play.until(
            *("python", "dev/demo/milvus_client.py", play.stage.engine_address()),
            *("load", "Faces_v2"),
            holds=partial(_is, state),
            expected=f"Milvus to say {state}",
        )
    play.wait_ready("vcol/faces")


def _is(state: str, told: str) -> bool:
    return told.strip() == state


def delete_everything(play: Play) -> None:
    play.shell.run("kubectl", "delete", "vcol", "--all", "--timeout=60s")
    expect(_client(play, "list").split(), [], "the list of collections")
    play.shell.run("kubectl", "delete", "veng", ENGINE)
    play.stage.uninstall()


def _client(play: Play, *words: str) -> str:
    """Run the Milvus 2.x client against the engine; return what it said."""
    address = play.stage.engine_address()
    return play.shell.run("python", "dev/demo/milvus_client.py", address, *words)
