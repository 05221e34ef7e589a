"""The catalog's tables, version by version."""

from quiver_engine.files import catalog_sums

APPLICATION_ID = 0x51565231
_FIRST_FORMAT = f"""
CREATE TABLE collections (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, dimension INTEGER NOT NULL,
    index_file_size INTEGER NOT NULL, metric INTEGER NOT NULL, id_origin TEXT
) STRICT;
CREATE TABLE partitions (
    id INTEGER PRIMARY KEY, tag TEXT NOT NULL,
    collection INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
    UNIQUE (collection, tag)
) STRICT;
CREATE TABLE segments (
    id INTEGER PRIMARY KEY, rows INTEGER NOT NULL,
    partition INTEGER NOT NULL REFERENCES partitions ON DELETE CASCADE
) STRICT;
CREATE INDEX segments_of_partition ON segments (partition);
PRAGMA application_id = {APPLICATION_ID};
"""
_INDEXES = """
ALTER TABLE collections ADD COLUMN index_type INTEGER NOT NULL DEFAULT 1;
ALTER TABLE collections ADD COLUMN index_params TEXT NOT NULL DEFAULT '{}';
ALTER TABLE collections ADD COLUMN index_requested INTEGER NOT NULL DEFAULT 0;
ALTER TABLE collections ADD COLUMN index_covers INTEGER NOT NULL DEFAULT 0;
CREATE TABLE indexes (
    id INTEGER PRIMARY KEY,
    segment INTEGER NOT NULL UNIQUE REFERENCES segments ON DELETE CASCADE
) STRICT;
"""
_DELETIONS = """
CREATE TABLE deletions (
    segment INTEGER PRIMARY KEY REFERENCES segments ON DELETE CASCADE, bitmap BLOB NOT NULL
) STRICT;
"""
# No number is used twice, since the log may hold rows of a dropped collection or partition.
_INSERT_LOG = """
ALTER TABLE collections ADD COLUMN flushed INTEGER NOT NULL DEFAULT 0;
CREATE TABLE last_ids (kind TEXT PRIMARY KEY, id INTEGER NOT NULL) STRICT;
INSERT INTO last_ids SELECT 'collection', coalesce(max(id), 0) FROM collections;
INSERT INTO last_ids SELECT 'partition', coalesce(max(id), 0) FROM partitions;
"""
# The same tables: the version keeps out engines that know no metrics but L2 and IP.
_BINARY_METRICS = ""
_SUMS = "".join(
    f"ALTER TABLE {table} ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;"  # noqa: S608 - all ours
    f"UPDATE {table} SET sum = {row_sum()};"
    for table, row_sum in catalog_sums.TABLES.items()
)
FORMATS = (_FIRST_FORMAT, _INDEXES, _DELETIONS, _INSERT_LOG, _BINARY_METRICS, _SUMS)
"""What each format version adds to the one before. An older catalog is upgraded when opened."""
