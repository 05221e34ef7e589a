"""Which changes of a field a version of Milvus makes."""

from quiver.domain.milvus_features import features_of_growth, possible
from quiver.domain.milvus_forms import DESCRIPTION, Growth
from quiver.domain.milvus_versions import Feature, MilvusVersion

CHANGED = Growth(altered={"title": {DESCRIPTION: "a title", "max_length": "128"}})


def test_milvus_2_5_makes_a_field_longer_and_leaves_its_description() -> None:
    """What it would refuse is not asked of it, and what it can do is."""
    assert possible(CHANGED, MilvusVersion(2, 5)).altered == {"title": {"max_length": "128"}}
    assert possible(CHANGED, MilvusVersion(2, 6)) == CHANGED
    assert not possible(CHANGED, MilvusVersion(2, 4)).altered


def test_a_description_needs_more_than_a_length() -> None:
    """Each says by itself which version it needs."""
    assert list(features_of_growth(CHANGED)) == [Feature.DESCRIBE_FIELD, Feature.ALTER_FIELD]
