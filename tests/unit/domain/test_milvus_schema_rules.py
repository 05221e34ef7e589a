"""The operator's own rules for the long form of collections on Milvus."""

from typing import Any

import msgspec
import pytest

from quiver.domain.collections import CollectionSpec
from support.bad_milvus_schemas import BAD_SCHEMAS, Bad
from support.milvus_schemas import GOOD_SCHEMAS, ON_2_3


def parsed(spec: Any) -> CollectionSpec:
    return msgspec.convert({"engineRef": {"name": "main"}, **spec}, CollectionSpec)


@pytest.mark.parametrize("milvus", GOOD_SCHEMAS.values(), ids=GOOD_SCHEMAS)
def test_a_schema_of_users_is_taken(milvus: Any) -> None:
    """As the API server takes it."""
    assert parsed({"milvus": milvus}).form is not None
    assert GOOD_SCHEMAS.keys() >= {*ON_2_3}


@pytest.mark.parametrize("bad", BAD_SCHEMAS.values(), ids=BAD_SCHEMAS)
def test_a_schema_that_no_server_takes_is_refused_as_the_crd_refuses_it(bad: Bad) -> None:
    """A looser CRD may be installed."""
    with pytest.raises(msgspec.ValidationError) as refused:
        parsed(bad.spec)
    assert (bad.operators or bad.words) in str(refused.value)
