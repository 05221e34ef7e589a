"""A program that knows Milvus 2.x and nothing of Quiver or Kubernetes.

The demo runs it with the interpreter of a venv that has pymilvus 3.0.2.
"""

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from pymilvus import MilvusClient  # in the venv that runs this, not here


def vector(number: int, dimension: int) -> list[float]:
    source = random.Random(number)  # noqa: S311 - test data
    return [source.random() for _ in range(dimension)]


def listed(client: Any) -> None:
    for name in sorted(client.list_collections()):
        say(name)


def describe(client: Any, name: str) -> None:
    found = client.describe_collection(name)
    told = {
        "collection": found["collection_name"],
        "fields": {field["name"]: field["type"].name for field in found["fields"]},
        "dimension": _dimension(client, name),
        "dynamic": found["enable_dynamic_field"],
        "partitions": sorted(client.list_partitions(name)),
        "properties": {
            key: value for key, value in found["properties"].items() if "quiver" not in key
        },
        "index": _index(client, name),
    }
    say(json.dumps(told))


def search_when(client: Any, name: str, times: int, command: Sequence[str]) -> None:
    """Run the command, and search as soon as it has ended, so many times, each time once."""
    dimension = _dimension(client, name)
    queries = [vector(number, dimension) for number in range(times)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    answers = [client.search(name, data=[query], limit=3) for query in queries]
    say(f"{len(answers)} of {times} searches were answered, the first one at once")


def load(client: Any, name: str) -> None:
    say(client.get_load_state(name)["state"].name)


def insert(client: Any, name: str, count: int) -> None:
    dimension = _dimension(client, name)
    rows = [{"vector": vector(n, dimension), "number": n} for n in range(count)]
    done = client.insert(name, rows)
    say(f"inserted {done['insert_count']} vectors of {dimension} floats")


def search(client: Any, name: str, numbers: Sequence[int]) -> None:
    dimension = _dimension(client, name)
    queries = [vector(n, dimension) for n in numbers]
    answers = client.search(
        name, data=queries, limit=3, output_fields=["number"], consistency_level="Strong"
    )
    for number, hits in zip(numbers, answers, strict=True):
        nearest = ", ".join(str(hit["entity"]["number"]) for hit in hits)
        say(f"nearest to vector {number}: {nearest}")


def _dimension(client: Any, name: str) -> int:
    fields = client.describe_collection(name)["fields"]
    dimension: int = next(f["params"]["dim"] for f in fields if f["name"] == "vector")
    return dimension


def _index(client: Any, name: str) -> str:
    found = client.describe_index(name, "vector")
    return f"{found['index_type']} {found['metric_type']}"


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="HOST:PORT of the server")
    commands = parser.add_subparsers(required=True)
    _command(commands, listed, "list")
    for do, name in ((describe, "describe"), (load, "load")):
        _command(commands, do, name).add_argument("name")
    inserting = _command(commands, insert, "insert")
    inserting.add_argument("name")
    inserting.add_argument("count", type=int)
    searching = _command(commands, search, "search")
    searching.add_argument("name")
    searching.add_argument("numbers", type=int, nargs="+")
    waiting = _command(commands, search_when, "search-when")
    waiting.add_argument("name")
    waiting.add_argument("times", type=int)
    waiting.add_argument("command", nargs="+", help="the command to wait for, after --")
    given = vars(parser.parse_args())
    client = MilvusClient(uri=f"http://{given.pop('address')}")
    given.pop("do")(client, **given)


def _command(commands: Any, do: Callable[..., None], name: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name)
    parser.set_defaults(do=do)
    return parser


if __name__ == "__main__":
    main()
