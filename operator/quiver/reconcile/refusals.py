"""The verdict while the API server refuses what the operator reads or writes."""

from quiver.domain.conditions import State, Verdict
from quiver.domain.reasons import Reason
from quiver.domain.text import one_line
from quiver.ports.errors import ApiRefused

WORDS = 1000
"""Characters of the API server's words: what follows them must fit the condition too."""
_CURE = (
    "Look at the quotas and admission policies that it names, and at the rights of the operator's "
    "service account. Trying again."
)


def words_of(error: ApiRefused) -> str:
    """Return the API server's words without their full stop, cleaned and cut."""
    return one_line(str(error), WORDS).rstrip(".")


def refused(what: str, error: ApiRefused, addition: str = "") -> Verdict:
    """Return the verdict while the API server refuses `what`, such as `the claim`. `addition` is a
    sentence to put between its words and the cure.

    The removal of a quota or of a policy triggers no event of the object: retry by yourself.
    """
    sentences = [
        f"The API server refused {what}: {words_of(error)}.",
        *filter(None, [addition]),
        _CURE,
    ]
    state = State.RECONCILING if error.retriable else State.STALLED
    return Verdict(state, Reason.APPLY_REFUSED, " ".join(sentences))
