"""Every reason that a condition or an event can carry: one word, one meaning, one cure
(docs/conditions.md).
"""

from enum import StrEnum


class Reason(StrEnum):
    """Reasons of VectorCollection and VectorEngine."""

    PENDING = "Pending"
    INVALID_SPEC = "InvalidSpec"
    ENGINE_NOT_FOUND = "EngineNotFound"
    ENGINE_NOT_READY = "EngineNotReady"
    ENGINE_UNREACHABLE = "EngineUnreachable"
    ENGINE_REFUSED = "EngineRefused"
    CREDENTIALS_REFUSED = "CredentialsRefused"
    QUOTA_EXCEEDED = "QuotaExceeded"
    SEGMENT_TOO_LARGE = "SegmentTooLarge"
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    NAME_TAKEN = "NameTaken"
    ALREADY_EXISTS = "AlreadyExists"
    DATABASE_NOT_FOUND = "DatabaseNotFound"
    VERSION_TOO_OLD = "VersionTooOld"
    SPEC_DIFFERS = "SpecDiffers"
    MEMBER_GONE = "MemberGone"
    INDEX_BUILDING = "IndexBuilding"
    INDEX_FAILED = "IndexFailed"
    LOADING = "Loading"
    NOT_SEARCHABLE = "NotSearchable"
    BINDING_CONFLICT = "BindingConflict"
    NOT_EMPTY = "NotEmpty"
    ALIASED = "Aliased"
    SUSPENDED = "Suspended"
    DROPPING = "Dropping"
    RELEASED = "Released"
    AVAILABLE = "Available"

    RECREATING = "Recreating"
    RECREATED = "Recreated"
    SEGMENTS_DAMAGED = "SegmentsDamaged"
    DISK_FULL = "DiskFull"
    GPU_UNUSED = "GPUUnused"
    NO_STORAGE = "NoStorage"
    NO_TLS = "NoTLS"
    UPGRADE_WAITING = "UpgradeWaiting"
    ROLLOUT_STOPPED = "RolloutStopped"

    UNSCHEDULABLE = "Unschedulable"
    VOLUME_NOT_BOUND = "VolumeNotBound"
    POD_REFUSED = "PodRefused"
    POD_FAILING = "PodFailing"
    STARTING = "Starting"
    SCALED_TO_ZERO = "ScaledToZero"
    SCALE_DOWN_BLOCKED = "ScaleDownBlocked"
    DELETION_BLOCKED = "DeletionBlocked"
    DELETION_PROTECTED = "DeletionProtected"
    APPLY_REFUSED = "ApplyRefused"
    ENDPOINT_REFUSED = "EndpointRefused"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 - no password, a word about one
    SECRET_INVALID = "SecretInvalid"  # noqa: S105
    SECRET_FORBIDDEN = "SecretForbidden"  # noqa: S105


EVENTS = (
    ("Normal", "Created"),
    ("Normal", "Adopted"),
    ("Warning", "Recreated"),
    ("Warning", "StatusRefused"),
    ("Normal", "PartitionDropped"),
    ("Normal", "Grown"),
    ("Normal", "Dropped"),
    ("Normal", "Left"),
    ("Warning", "Left"),
    ("Normal", "DeletionBlocked"),
)
"""Type and reason of each event about an object (docs/conditions.md)."""
