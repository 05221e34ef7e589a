"""Steps of everyday use: vectors in and out, refused changes, deletion."""

import json

from demo.play import Play, expect, expect_in
from demo.stage import ENGINE

VECTORS = 10_000
SOUGHT = ("17", "4711", "9999")
FIXED = "is fixed when the collection is created"


def insert_and_search(play: Play) -> None:
    play.screen.note("python is here that of a venv with pymilvus 1.1.2, as it was published")
    expect(play.collections(), {"test01", "articles", "Faces_v2"}, "the list of collections")
    described = json.loads(play.client("describe", "test01"))
    expect(described.pop("collection"), "test01", "the collection's name")
    expect(described.pop("partitions"), ["_default"], "the partitions")
    expect(
        described,
        {"dimension": 256, "index_file_size": 1024, "metric_type": "L2"},
        "what the engine describes",
    )
    play.client("insert", "test01", str(VECTORS))
    expect(play.client("count", "test01").strip(), str(VECTORS), "the number of vectors")
    search_again(play)


def search_again(play: Play) -> None:
    """Search for vectors that were inserted: each is the nearest to itself."""
    answers = play.client("search", "test01", *SOUGHT).splitlines()
    expect(len(answers), len(SOUGHT), "the number of answers")
    for number, answer in zip(SOUGHT, answers, strict=True):
        expect_in(f"vector {number}: {number} (0.00)", answer, "the answer")


def change_what_is_fixed(play: Play) -> None:
    for change in ('{"spec":{"indexFileSize":2048}}', '{"spec":{"metricType":"IP"}}'):
        said = play.shell.refused(
            "kubectl", "patch", "vcol", "test01", "--type=merge", "-p", change
        )
        expect_in(FIXED, said, "the API server's answer")


def delete_everything(play: Play) -> None:
    play.shell.run("kubectl", "delete", "vcol", "--all", "--timeout=60s")
    play.screen.note("faces has deletionPolicy Retain: its collection stays")
    expect(play.collections(), {"Faces_v2"}, "the list of collections")
    play.client("drop", "Faces_v2")
    play.shell.run("kubectl", "delete", "veng", ENGINE)
    play.stage.uninstall()
