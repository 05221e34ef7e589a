"""What must never happen, whatever goes wrong: looked at with every call and every effect."""

from collections.abc import Callable, Iterator

from quiver.control.leader.election import LEASE, SOMEBODY
from quiver.domain.claims import FINALIZER
from quiver.domain.collections import Claim
from quiver.domain.conditions import ready_reason
from quiver.domain.kubernetes_types import (
    NAMESPACE,
    SECRET,
    STATEFUL_SET,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Manifest,
)
from simulation.api_server import ApiServer, Write
from simulation.claims import Claims
from simulation.engines import Change, Fleet, Home
from simulation.history import History, engine_key, fits
from simulation.milvus_specs import is_anothers
from simulation.permissions import MAY

AT_ONCE_S = 1.5
"""How old what the operator was told may be when it acts on it at once: an answer's way back."""
WITHIN_S = 130.0
"""How long a reconcile may take, all its steps together."""
STEP_S = 60.0
"""How long after its last step a reconcile may be at the next one."""
LAG_S = 60.0
"""How far a watch may lag behind, until a list catches up."""

Versions = Iterator[tuple[Manifest, Manifest | None]]


class Safety:
    """Holds each thing that an operator does against what it may know. `broken` lists, in
    sentences, what was violated.
    """

    def __init__(
        self, server: ApiServer, fleet: Fleet, claims: Claims, now: Callable[[], float]
    ) -> None:
        self.broken: list[str] = []
        self.elects = False
        """Whether operators take turns, by a Lease."""
        self.window = 0.0
        """How long ago an operator may have looked at what it asks of an engine just now."""
        self._leader: str | None = None
        self._server = server
        self._fleet = fleet
        self._claims = claims
        self._now = now
        self._history = History(VECTOR_COLLECTION, VECTOR_ENGINE)
        self._dropped: dict[tuple[Home, str], str] = {}
        self._made_at: dict[tuple[Home, str], float] = {}
        self._others_made_at: dict[tuple[Home, str], float] = {}
        self._others_grew_at: dict[tuple[Home, str], float] = {}
        self._asked_at: dict[tuple[str, Home, str], float] = {}
        self._filled_at: dict[tuple[Home, str], float] = {}
        self._still: dict[str, tuple[float, float]] = {}
        server.observers.append(self._wrote)
        fleet.asking.append(self._asked)
        fleet.changed.append(self._changed)

    def filled(self, home: Home, name: str) -> None:
        """Take note that a client has inserted vectors."""
        self._filled_at[home, name] = self._now()

    def stands_still(self, actor: str, seconds: float) -> None:
        """Take note that an operator sees nothing for so long, and then acts on what it saw before.

        Nothing could keep it from that: a Milvus engine knows no claims.
        """
        begin, end = self._still.get(actor, (0.0, -STEP_S))
        again = self._now() - end < AT_ONCE_S
        self._still[actor] = begin if again else self._now(), self._now() + seconds

    def says(self, actor: str, sentence: str) -> None:
        self.broken.append(f"{sentence} ({actor})")

    # What operators write to the API server.

    def _wrote(self, write: Write) -> None:
        self._history.note(write)
        self._check_pods_stay(write)
        # Who held a Lease that was deleted may lead on, until another one has it.
        if write.kind == LEASE and write.new is not None:
            holder = write.new["spec"].get("holderIdentity")
            self._leader = self._leader if holder == SOMEBODY else holder
        if not _is_operator(write.actor) or write.kind == LEASE:
            return
        self._check_leads(write.actor)
        if write.old is write.new and write.verb != "delete":
            self._check_news(write)
        if write.kind in (VECTOR_COLLECTION, VECTOR_ENGINE):
            self._check_spec(write)
        if write.kind == VECTOR_COLLECTION and write.old is not None:
            self._check_release(write, write.old)
            self._check_owners(write)
            self._check_adoption(write, write.old)
        if write.kind == SECRET:
            self._check_secret(write)

    def _check_pods_stay(self, write: Write) -> None:
        """An engine's StatefulSet stays while objects have collections on its pods, whoever deletes
        the engine; but for a namespace that is going.
        """
        if write.kind != STATEFUL_SET or write.new is not None or write.old is None:
            return
        namespace = self._server.find(NAMESPACE, Key("", write.key.namespace))
        if namespace is None or "deletionTimestamp" in namespace["metadata"]:
            return
        for manifest in self._server.all(VECTOR_COLLECTION):
            mine = self._claims.held(manifest) if engine_key(manifest) == write.key else None
            if mine is not None and mine[1] in self._fleet.data_of(mine[0]):
                self.says(
                    write.actor, f"{write.key} loses its pods, and {Key.of(manifest)} is there"
                )

    def _check_leads(self, actor: str) -> None:
        if self.elects and self._leader != actor:
            self.says(actor, f"something is changed by an operator while {self._leader} leads")

    def _check_news(self, write: Write) -> None:
        """A patch is bound to the version that it was made from; what is applied may be made from
        an older one, as may what is merged into an engine's status.
        """
        assert write.old is not None
        since = self._server.changed_at(write.kind, write.key)
        may_repeat = write.verb == "apply" or write.kind == VECTOR_ENGINE
        if not may_repeat or self._now() - since > WITHIN_S:
            told = f"{write.verb} {write.kind.kind} {write.key}"
            self.says(write.actor, f"a write changes nothing: {told}")

    def _check_spec(self, write: Write) -> None:
        if write.old and write.new and write.old["spec"] != write.new["spec"]:
            self.says(write.actor, f"the spec of {write.kind.kind} {write.key} is written to")

    def _check_owners(self, write: Write) -> None:
        mine = self._claims.held(write.new) if write.new else None
        if mine is None or write.old is None or self._claims.held(write.old) == mine:
            return
        for other in self._server.all(VECTOR_COLLECTION):
            if Key.of(other) != write.key and self._claims.held(other) == mine:
                told = f"collection {mine[1]!r} at {mine[0].name}"
                self.says(write.actor, f"{told} has two owners: {write.key}, {Key.of(other)}")

    def _check_adoption(self, write: Write, old: Manifest) -> None:
        """What stood there before the claim is taken only where the spec says so."""
        mine = self._claims.held(write.new) if write.new else None
        if mine is None or self._claims.held(old) == mine:
            return
        claim = self._claims.of(write.new) if write.new else None
        since = self._now() - self._made_at.get(mine, 0.0)
        is_new = mine[1] not in self._fleet.data_of(mine[0]) or since < WITHIN_S
        if is_new and (claim is None or claim.origin != "Adopted"):
            return
        if old["spec"]["adoptionPolicy"] == "Never" or not self._may_adopt(old, write.new):
            self.says(write.actor, f"{write.key} takes {mine[1]!r}, which it may not adopt")
        elif claim is not None and claim.origin == "Adopted" and not self._is_whole(write, *mine):
            self.says(write.actor, f"{write.key} takes {mine[1]!r}, which its spec says otherwise")

    def _is_whole(self, write: Write, home: Home, name: str) -> bool:
        """Tell whether a collection was all that the spec says when the operator looked at it."""
        present, place = self._fleet.data_of(home).get(name), (home, name)
        changed_at = max(self._made_at.get(place, 0.0), self._others_grew_at.get(place, 0.0))
        since = self._now() - changed_at
        if present is None or since < self.lengthened(AT_ONCE_S + 5, write.actor):
            return True
        return write.old is None or fits(write.old, present.schema, may_grow=False)

    def _may_adopt(self, manifest: Manifest, new: Manifest | None) -> bool:
        """Tell whether the engine, as late as it could be known, lets this namespace adopt."""
        claim = self._claims.of(new) if new is not None else None
        assert claim is not None
        key, namespace = engine_key(manifest), manifest["metadata"]["namespace"]
        left = f"{claim.server}/{claim.collection_name}"
        for engine in self._history.since(VECTOR_ENGINE, key, self._now() - LAG_S - WITHIN_S):
            if key.namespace == namespace:
                return True
            if engine is None:
                continue
            allowed = engine["spec"].get("allowedNamespaces", {})
            retained = engine["status"].get("retained", {})
            if allowed.get("mayAdopt") or retained.get(left, "").partition("/")[0] == namespace:
                return True
        return False

    def _check_release(self, write: Write, old: Manifest) -> None:
        """The finalizer goes last: after the drop, where there is something to drop."""
        after = write.new["metadata"].get("finalizers", ()) if write.new else ()
        mine = self._claims.held(old)
        if FINALIZER not in old["metadata"].get("finalizers", ()) or FINALIZER in after:
            return
        if "deletionTimestamp" not in old["metadata"]:
            self.says(write.actor, f"the finalizer of {write.key} goes, though it is to stay")
        if write.new is not None and ready_reason(write.new) != "Released":
            self.says(write.actor, f"{write.key} stays, and does not say that it was released")
        if mine is None or old["spec"].get("suspend") or not self._engine_stands(old):
            return
        engine = self._server.find(VECTOR_ENGINE, engine_key(old))
        if self._claims.policy_of(old, engine) == "Retain":
            return
        present = self._fleet.data_of(mine[0]).get(mine[1])
        since = self._now() - self._made_at.get(mine, 0.0)
        if present is None or not fits(old, present.schema) or is_anothers(present, _uid(old)):
            return
        others_at = self._others_made_at.get(mine, -STEP_S)
        if self._now() - others_at < self.lengthened(AT_ONCE_S + 5, write.actor):
            return  # the operator may have looked before, and found another collection
        if since > WITHIN_S or self._dropped.get(mine) != _uid(old):
            self.says(write.actor, f"{write.key} is let go before its collection is dropped")

    def _engine_stands(self, manifest: Manifest) -> bool:
        """Tell whether nobody could have seen the engine, or the claimed endpoint, as gone."""
        claim, moment = self._claims.of(manifest), self._now() - LAG_S
        assert claim is not None
        for engine in self._history.since(VECTOR_ENGINE, engine_key(manifest), moment):
            if engine is None:
                return False
            external = engine["spec"].get("external")
            if external is not None and not self._leads_there(claim, engine):
                return False
            highest = engine["status"].get("highestReplicas", 99)
            if external is None and claim.member not in [
                f"{engine['metadata']['name']}-{number}" for number in range(highest)
            ]:
                return False
        return True

    def _leads_there(self, claim: Claim, engine: Manifest) -> bool:
        """Tell whether the claimed endpoint leads to the claim's server, and has for a while."""
        if claim.member not in engine["spec"]["external"]["endpoints"]:
            return False
        if self._now() - self._fleet.moved_at.get(claim.member.partition(":")[0], -LAG_S) < LAG_S:
            return False
        return self._fleet.is_on(claim, self._fleet.server_behind(claim.member), _uid(engine))

    def _check_secret(self, write: Write) -> None:
        if write.old is None:
            return
        owners = write.old["metadata"].get("ownerReferences", ())
        uids = {_uid(m) for m in self._server.all(VECTOR_COLLECTION)}
        fresh = self._now() - self._server.changed_at(SECRET, write.key) < WITHIN_S
        if not fresh and not any(owner["uid"] in uids for owner in owners):
            self.says(write.actor, f"Secret {write.key} is somebody else's, and is written to")

    # What operators ask engines to do.

    def _asked(self, change: Change) -> None:
        if not _is_operator(change.actor):
            return
        self._check_leads(change.actor)
        window = self.window = self._window(change)
        may = MAY[change.call]
        owners = [
            manifest
            for manifest, engine in self._claimants(change, window)
            if may(manifest, self._claims.policy_of(manifest, engine), change.detail)
        ]
        what = f"{change.call} of {change.name!r} at {change.home.name}"
        if not owners:
            self.says(change.actor, f"{what} is asked for, which no object's claim and spec allow")
            return
        owner = next(filter(self._is_there, owners), owners[0])
        if change.call in ("create", "create_partition"):
            self._check_limit(change, owner)
        dropped = self._dropped.get((change.home, change.name))
        if change.call == "create" and all(_uid(each) == dropped for each in owners):
            self.says(change.actor, f"{what}: it was dropped, and is created anew, for one object")
        if change.call == "drop":
            self._check_drop(change, [m for m in owners if _uid(m) == _uid(owner)])

    def _is_there(self, manifest: Manifest) -> bool:
        found = self._server.find(VECTOR_COLLECTION, Key.of(manifest))
        return found is not None and _uid(found) == _uid(manifest)

    def _window(self, change: Change) -> float:
        """Tell how long ago the operator may have looked at the object, time that it stood still
        not counted.
        """
        return self.lengthened(self._busy_window(change), change.actor)

    def lengthened(self, window: float, actor: str) -> float:
        """Return the window with the time that the operator stood still."""
        begin, end = self._still.get(actor, (0.0, 0.0))
        return window + (end - begin if end > self._now() - window else 0.0)

    def _busy_window(self, change: Change) -> float:
        """A reconcile's first change follows at once on its last look at the object."""
        subject = change.actor, change.home, change.name
        before, self._asked_at[subject] = self._asked_at.get(subject), self._now()
        if change.call in ("create", "drop") or before is None:
            return AT_ONCE_S
        begin, end = self._still.get(change.actor, (0.0, 0.0))
        since = self._now() - before - (end - begin if before < end else 0.0)
        return WITHIN_S if since < STEP_S else AT_ONCE_S

    def _claimants(self, change: Change, window: float) -> Versions:
        """Yield the versions, with their engines, of objects that claim what is to be changed."""
        moment = self._now() - window
        for key in self._history.keys(VECTOR_COLLECTION):
            for manifest in self._history.since(VECTOR_COLLECTION, key, moment):
                if manifest is not None and self._concerns(change, manifest):
                    yield manifest, self._server.find(VECTOR_ENGINE, engine_key(manifest))

    def _concerns(self, change: Change, manifest: Manifest) -> bool:
        """Tell whether the object claims what is to be changed, or something in it."""
        mine = self._claims.held(manifest)
        if change.call == "create_database" and mine is not None:
            return mine[0] == change.home and mine[1].startswith(f"{change.name}/")
        return mine == (change.home, change.name)

    def _check_limit(self, change: Change, owner: Manifest) -> None:
        """Count what the engine's objects have on the member already, as far as their statuses
        tell. What an object had before may come back.
        """
        had = owner["status"].get("partitions", ())
        if change.detail in had or (change.call == "create" and "origin" in owner["status"]):
            return
        key, moment = engine_key(owner), self._now() - LAG_S
        engines = [e for e in self._history.since(VECTOR_ENGINE, key, moment) if e is not None]
        limits = [
            e["spec"].get("limits", {}).get("maxCollectionsAndPartitions", 4096) for e in engines
        ]
        found = self._fleet.data_of(change.home)
        count = 0
        for manifest in self._server.all(VECTOR_COLLECTION):
            mine = self._claims.held(manifest)
            if mine is None or not self._is_beside(manifest, owner):
                continue
            present = found.get(mine[1])
            if present is not None and fits(manifest, present.schema):
                is_owner = _uid(manifest) == _uid(owner)
                listed = manifest["spec" if is_owner else "status"].get("partitions", ())
                count += 1 + sum(tag in present.rows for tag in listed)
        if limits and count + 1 > max(limits):
            told = f"{count} collections and partitions and asks for more, of {max(limits)}"
            self.says(change.actor, f"{change.home.name} has {told}")

    def _is_beside(self, manifest: Manifest, owner: Manifest) -> bool:
        """Tell whether both are on one member of one engine. Of a server several may lead to it."""
        one, other = self._claims.of(manifest), self._claims.of(owner)
        if one is None or other is None or one.member != other.member:
            return False
        return engine_key(manifest) == engine_key(owner)

    def _check_drop(self, change: Change, versions: list[Manifest]) -> None:
        """`versions` are those of the owner that the operator may have seen, newest first: a user
        may have changed it while the call was under way.
        """
        owner = versions[0]
        self._dropped[change.home, change.name] = _uid(owner)
        present = self._fleet.data_of(change.home).get(change.name)
        if present is None:
            return
        what = f"{change.name!r} at {change.home.name}"
        place = change.home, change.name
        made_at = max(self._made_at.get(place, 0.0), self._others_grew_at.get(place, 0.0))
        is_meant = any(fits(m, present.schema) for m in versions)
        if not is_meant and self._now() - made_at > AT_ONCE_S + 5:
            self.says(change.actor, f"{what} is dropped, though it is another collection")
        engine = self._server.find(VECTOR_ENGINE, engine_key(owner))
        filled_at = self._filled_at.get((change.home, change.name), 0.0)
        if (
            self._claims.policy_of(owner, engine) == "DeleteIfEmpty"
            and sum(present.rows.values()) > 0
            and self._now() - filled_at > AT_ONCE_S + 5
        ):
            self.says(change.actor, f"{what} is dropped, though it holds vectors")

    def _changed(self, change: Change) -> None:
        if change.call in ("add_field", "alter_field") and not _is_operator(change.actor):
            self._others_grew_at[change.home, change.name] = change.at
        if change.call == "create":
            self._made_at[change.home, change.name] = change.at
            if not _is_operator(change.actor):
                self._others_made_at[change.home, change.name] = change.at


def _uid(manifest: Manifest) -> str:
    return str(manifest["metadata"]["uid"])


def _is_operator(actor: str) -> bool:
    return actor.startswith("op-")
