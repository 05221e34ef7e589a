"""What indexes of both forms share: how far a build is, and how it is told."""

from collections.abc import Mapping

from quiver.domain.collection_schemas import IndexProgress, ObservedFieldIndex, ObservedIndex
from quiver.domain.conditions import Verdict
from quiver.domain.reasons import Reason

FoundIndex = ObservedIndex | ObservedFieldIndex
Params = Mapping[str, int | str]


def has_given_up(found: FoundIndex) -> bool:
    """Tell whether the engine does not build the index until it is asked again."""
    return found.failure is not None and found.progress is None


def is_mostly_built(found: FoundIndex | None) -> bool:
    """Tell whether nine tenths have their index. Where clients go on inserting, some never have."""
    if found is None or found.progress is None:
        return True
    return 10 * found.progress.built >= 9 * found.progress.total


def unlisted(before: Params, wanted: Params) -> dict[str, int | str]:
    """Return the parameters that were taken off the spec: an engine returns those that it chose by
    itself, too.
    """
    return {key: before[key] for key in before.keys() - wanted.keys()}


def build_failed(index: str, found: FoundIndex) -> Verdict:
    """Return what is said of `index`, such as `index HNSW`, which the engine could not build."""
    message = (
        f"The engine could not build {index}: {found.failure}. Remove the cause, or choose another "
        "index. Meanwhile it is tried again."
    )
    reason = Reason.DISK_FULL if found.disk_full else Reason.INDEX_FAILED
    return Verdict.reconciling(reason, message)


def building(index: str, progress: IndexProgress | None, unit: str) -> Verdict:
    """Return what is said of `index` while it is built; without `progress` it was just begun."""
    told = "the engine has begun." if progress is None else _coarsely(progress, unit)
    return Verdict.reconciling(Reason.INDEX_BUILDING, f"Building {index}: {told}")


def _coarsely(progress: IndexProgress, unit: str) -> str:
    """Say it in tenths, so that a build costs no more than ten writes of the status."""
    tenths = 10 * progress.built // max(1, progress.total)
    return f"{10 * tenths} % of the {unit} are indexed."
