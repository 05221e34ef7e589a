"""A program that knows Milvus 1.x and nothing of Quiver or Kubernetes.

The demo runs it with the interpreter of a venv that has pymilvus 1.1.2, unchanged. Its vectors
follow from their ids, so that any of them can be made again to search for.
"""

import argparse
import json
import random
import sys
from collections.abc import Sequence
from typing import Any

from milvus import Milvus  # type: ignore[import-not-found]  # in the venv that runs this, not here


def vector(number: int, dimension: int) -> list[float]:
    source = random.Random(number)  # noqa: S311 - test data
    return [source.random() for _ in range(dimension)]


def listed(client: Any) -> None:
    for name in sorted(_checked(client.list_collections())):
        say(name)


def describe(client: Any, name: str) -> None:
    schema = _schema(client, name)
    metric = getattr(schema.metric_type, "name", str(schema.metric_type))
    told = {
        "collection": schema.collection_name,
        "dimension": schema.dimension,
        "index_file_size": schema.index_file_size,
        "metric_type": metric,
        "partitions": [p.tag for p in _checked(client.list_partitions(name))],
    }
    say(json.dumps(told))


def insert(client: Any, name: str, count: int) -> None:
    dimension = _schema(client, name).dimension
    _checked(client.insert(name, [vector(n, dimension) for n in range(count)], list(range(count))))
    _check(client.flush([name]))
    say(f"inserted {count} vectors of {dimension} floats and flushed them to disk")


def count(client: Any, name: str) -> None:
    say(str(_checked(client.count_entities(name))))


def search(client: Any, name: str, numbers: Sequence[int]) -> None:
    dimension = _schema(client, name).dimension
    queries = [vector(n, dimension) for n in numbers]
    answers = _checked(client.search(name, 3, queries, params={"nprobe": 16}))
    for number, hits in zip(numbers, answers, strict=True):
        nearest = ", ".join(f"{hit.id} ({hit.distance:.2f})" for hit in hits)
        say(f"nearest to vector {number}: {nearest}")


def drop(client: Any, name: str) -> None:
    _check(client.drop_collection(name))
    say(f"dropped {name}")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _schema(client: Any, name: str) -> Any:
    return _checked(client.get_collection_info(name))


def _checked(answer: tuple[Any, Any]) -> Any:
    status, value = answer
    _check(status)
    return value


def _check(status: Any) -> None:
    if not status.OK():
        sys.exit(f"error: {status.message} (code {status.code})")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Use a server that speaks the Milvus 1.x protocol")
    parser.add_argument("address", help="HOST:PORT")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list")
    for verb in ("describe", "count", "drop"):
        verbs.add_parser(verb).add_argument("name")
    inserting = verbs.add_parser("insert")
    inserting.add_argument("name")
    inserting.add_argument("count", type=int)
    searching = verbs.add_parser("search")
    searching.add_argument("name")
    searching.add_argument("number", type=int, nargs="+", help="search for the vector of this id")
    return parser.parse_args()


def main() -> None:
    given = _arguments()
    host, _, port = given.address.rpartition(":")
    client = Milvus(host=host, port=port)
    match given.verb:
        case "list":
            listed(client)
        case "describe":
            describe(client, given.name)
        case "insert":
            insert(client, given.name, given.count)
        case "count":
            count(client, given.name)
        case "search":
            search(client, given.name, given.number)
        case "drop":
            drop(client, given.name)


if __name__ == "__main__":
    main()
