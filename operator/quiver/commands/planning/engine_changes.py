"""What becomes of engines: their own pods and servers, while collections have a plan each."""

import msgspec

from quiver.commands.planning.answers import Answers
from quiver.commands.planning.future import Future
from quiver.commands.planning.planner import Planner
from quiver.domain.conditions import State
from quiver.domain.engines import VectorEngine
from quiver.domain.installation import OperatorPods
from quiver.domain.kubernetes_types import VECTOR_ENGINE, Key
from quiver.domain.plans import Action, Change
from quiver.domain.text import one_line
from quiver.ports.errors import ApiError
from quiver.reconcile.engines.deletion import deletion_blocked
from quiver.reconcile.engines.gather import Gathered, gather

OPERATOR_PODS = OperatorPods("", {})
"""Nothing that is said of a deletion depends on them."""


async def engine_change(key: Key, future: Future, answers: Answers, planner: Planner) -> Change:
    """Return what becomes of an engine that is created, changed or deleted."""
    of = VECTOR_ENGINE, key
    if of in answers.going:
        return await _going(key, future, planner)
    if future.is_new(of):
        return Change(kind=VECTOR_ENGINE, key=key, action=Action.CREATE, what=("create engine",))
    fields = future.changed_fields(of)
    action = Action.CHANGE if fields else Action.NONE
    return Change(kind=VECTOR_ENGINE, key=key, action=action, fields=fields, is_change=bool(fields))


async def _going(key: Key, future: Future, planner: Planner) -> Change:
    manifest = future.cache.get(VECTOR_ENGINE, key)
    try:
        engine = msgspec.convert(manifest, VectorEngine)
        found = await gather(
            engine,
            planner.objects,
            planner.engines,
            planner.dialling,
            OPERATOR_PODS,
            planner.identities,
        )
    except (ApiError, msgspec.ValidationError) as error:
        return Change(
            kind=VECTOR_ENGINE,
            key=key,
            action=Action.UNKNOWN,
            reason="Error",
            message=one_line(str(error), 500),
        )
    blocked = deletion_blocked(found)
    if blocked is None:
        return Change(
            kind=VECTOR_ENGINE, key=key, action=_deleted(engine), what=(_what_goes(found),)
        )
    return Change(
        kind=VECTOR_ENGINE,
        key=key,
        action=Action.REFUSED if blocked.state is State.STALLED else Action.WAITS,
        what=(_what_goes(found),),
        reason=blocked.reason,
        message=blocked.message,
    )


def _deleted(engine: VectorEngine) -> Action:
    return Action.RELEASE if engine.spec.external is not None else Action.DROP


def _what_goes(found: Gathered) -> str:
    spec = found.engine.spec
    if spec.external is not None:
        return "delete the object: the servers stay as they are"
    if spec.storage is None:
        return "delete its pods, with all that is left on them"
    return "delete its pods: their volume claims stay"
