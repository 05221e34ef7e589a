"""What is said of a segment that is damaged: at a start, and under a running engine."""

import logging

from quiver_engine.errors import DamagedSegment
from quiver_engine.store.collection import Collection, Partition

logger = logging.getLogger(__name__)


def left_out(error: DamagedSegment, rows: int, partition: Partition, owner: Collection) -> None:
    logger.error(
        "%s; its %d rows of partition %r of %r are left out: restore the file from a backup"
        " and start again, or drop the partition or collection and insert them again",
        error,
        rows,
        partition.tag,
        owner.schema.name,
    )
