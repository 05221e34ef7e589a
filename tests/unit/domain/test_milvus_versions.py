"""What servers call their version, and what each version can do."""

import pytest

from quiver.domain.milvus_versions import (
    VERSIONS,
    Feature,
    MilvusVersion,
    can,
    feature_of_index,
    feature_of_metric,
    most_partitions,
    needed,
    parse_version,
)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v2.3.5-lite", (2, 3, 5)),
        ("milvus_lite-3.2.2", (3, 2, 2)),
        ("milvus-lite-2.4.11", (2, 4, 11)),
        ("2.6-20260404-abc", (2, 6, 0)),
        ("v2.5.10.1", (2, 5, 10)),
        (" 2.2.16\n", (2, 2, 16)),
        ("v3.0.0-gpu", (3, 0, 0)),
        ("v2.4.0-rc.1", (2, 4, 0)),
        ("master-20240101-abc", None),
        ("", None),
        ("v2", None),
        ("v2.", None),
        ("2.3.99999999", None),
        ("no v2.3.5", None),
        ("\u0662.\u0663.\u0665", None),
        ("9" * 10**6, None),
    ],
)
def test_a_version_is_read_as_servers_say_it(
    text: str, version: tuple[int, int, int] | None
) -> None:
    """What follows the three numbers does not count, and what is no version is none."""
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("version", "feature", "expected"),
    [
        ("2.2.8", Feature.DATABASES, False),
        ("2.2.9", Feature.DATABASES, True),
        ("2.4.18", Feature.DELETE_PROPERTIES, False),
        ("2.5", Feature.DELETE_PROPERTIES, True),
        ("3.0.0", Feature.DELETE_PROPERTIES, True),
        ("2.2.16", Feature.TANIMOTO, True),
        ("2.3.0", Feature.TANIMOTO, False),
        ("2.10.0", Feature.GPU_CAGRA, True),
        ("2.3.5", Feature.GPU_CAGRA, False),
    ],
)
def test_a_version_can_what_came_with_it_or_before(
    version: str, feature: Feature, expected: bool
) -> None:
    """And no longer what went with it."""
    assert can(parse_version(version), feature) is expected


@pytest.mark.parametrize("feature", Feature)
def test_every_feature_has_its_versions_and_words(feature: Feature) -> None:
    """An unknown version may be able to do anything: its server will say."""
    assert any(VERSIONS[feature])
    assert can(None, feature)
    assert needed(feature).startswith(f"{feature.value} needs Milvus ")


def test_the_words_name_the_version_that_could() -> None:
    assert needed(Feature.COSINE) == "the metric COSINE needs Milvus 2.3 or later"
    assert needed(Feature.DATABASES).endswith(" needs Milvus 2.2.9 or later")
    assert needed(Feature.ANNOY) == "the index ANNOY needs Milvus older than 2.3"


def test_indexes_and_metrics_lead_to_what_they_need() -> None:
    """Those that every version has need nothing."""
    assert feature_of_index("GPU_CAGRA") is Feature.GPU_CAGRA
    assert feature_of_metric("COSINE") is Feature.COSINE
    assert feature_of_index("HNSW") is None
    assert feature_of_index("COSINE") is None
    assert feature_of_metric("L2") is None


def test_the_limit_of_partitions_went_down_with_2_5() -> None:
    assert most_partitions(MilvusVersion(2, 4, 18)) == 4096
    assert most_partitions(MilvusVersion(2, 5)) == 1024
    assert most_partitions(None) == 1024
