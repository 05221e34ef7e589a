"""One search before an object says for the first time that it is Ready: that a collection exists
does not show that its engine can search it.
"""

from dataclasses import replace

from quiver.domain.conditions import State, Verdict, ready_status
from quiver.domain.reasons import Reason
from quiver.ports.engines import Engines
from quiver.ports.errors import EngineError, EngineRefused
from quiver.reconcile.collections.decision import Decision
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.loading import is_to_be_searched
from quiver.reconcile.collections.present import failed


async def searched(decision: Decision, g: Gathered, engines: Engines) -> Decision:
    """Return the decision, whose steps are done, or what is to be reported in its place because the
    collection was not searched. Once an object is Ready, no search is made.
    """
    if decision.verdict.state is not State.READY or ready_status(g.manifest) == "True":
        return decision
    if not is_to_be_searched(g):
        return decision
    try:
        await engines.at(g.target).search_once(g.schema)
    except EngineError as error:
        return replace(decision, verdict=_not_searched(g, error), retry=True)
    return decision


def _not_searched(g: Gathered, error: EngineError) -> Verdict:
    if not isinstance(error, EngineRefused):
        return failed(g, error).verdict
    message = (
        f"Collection {g.collection_name!r} is on {g.member_name}, which does not search it: "
        f"{error}. Remove the cause. Meanwhile it is tried again."
    )
    return Verdict.reconciling(Reason.NOT_SEARCHABLE, message)
