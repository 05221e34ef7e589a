"""What users write into their YAML: random, and always what the schema lets through."""

from random import Random
from typing import Any

Spec = dict[str, Any]
ENGINE = "engines"
TAGS = ("red", "green", "blue", "grey")
DIMENSIONS = (4, 8)
POLICIES = ("Delete", "Retain", "DeleteIfEmpty")
INDEXES: tuple[Spec, ...] = (
    {"type": "IVF_FLAT", "params": {"nlist": 16}},
    {"type": "IVF_SQ8", "params": {"nlist": 8}},
    {"type": "HNSW", "params": {"M": 8, "efConstruction": 40}},
)


def new_spec(random: Random) -> Spec:
    spec: Spec = {
        "engineRef": {"name": ENGINE},
        "dimension": random.choice(DIMENSIONS),
        "indexFileSize": 64,
        "metricType": "L2",
        "deletionPolicy": random.choices(POLICIES, (7, 2, 1))[0],
        "adoptionPolicy": random.choices(("Never", "IfIdentical"), (2, 1))[0],
        "partitions": random.sample(TAGS, random.randrange(3)),
    }
    if random.random() < 0.3:
        spec["index"] = random.choice(INDEXES)
    return spec


def edited_partitions(spec: Spec, random: Random) -> Spec:
    return {**spec, "partitions": random.sample(TAGS, random.randrange(len(TAGS) + 1))}


def edited_index(spec: Spec, random: Random) -> Spec:
    others = [index for index in INDEXES if index != spec.get("index")]
    return {**spec, "index": random.choice(others)}


def edited_policy(spec: Spec, random: Random) -> Spec:
    others = [policy for policy in POLICIES if policy != spec["deletionPolicy"]]
    return {**spec, "deletionPolicy": random.choice(others)}


def forbidden(spec: Spec, random: Random) -> Spec:
    """Return a patch that changes what is fixed."""
    return random.choice(
        [
            {"dimension": spec["dimension"] + 8},
            {"indexFileSize": 128},
            {"metricType": "IP"},
            {"collectionName": "another"},
            {"engineRef": {"name": "elsewhere"}},
        ]
    )
