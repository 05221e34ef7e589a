"""Objects that were stored under the CRDs of the release before, on an API server with today's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes
import pytest
import yaml
from kubernetes.client.exceptions import ApiException

from localcluster import ControlPlane
from support import before
from support.waiting import wait_until

CRDS = ("crd/vectorcollections.quiver.dev", "crd/vectorengines.quiver.dev")
KINDS = {"vectorcollections": "VectorCollection", "vectorengines": "VectorEngine"}
SMALLEST: dict[str, Any] = {
    "vectorcollections": {"engineRef": {"name": "main"}, "dimension": 256},
    "vectorengines": {},
}
UNPROCESSABLE = 422
MERGE = {"_content_type": "application/merge-patch+json"}
OTHERWISE: dict[str, Any] = {
    "vectorcollections": {"suspend": True},
    "vectorengines": {"defaultDeletionPolicy": "Retain"},
}
"""A change of a spec that has nothing to do with what is tighter today."""
FILLED_IN = {"indexFileSize": 1024, "metricType": "L2"}
"""What the CRD of before writes into each spec that does not name it, and today's does not."""
SEEN: dict[str, Any] = {
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Available",
            "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    ]
}
MANY_TAGS = [f"p{n}" for n in range(4095)]
LONG_KEY = f"{'a.' * 150}a/{'n' * 63}"
REFUSED_TODAY: dict[str, dict[str, Any]] = {
    "vectorcollections": {
        "tags of 300 KiB": {"partitions": [f"{n}".rjust(250, "t") for n in range(1230)]},
    },
    "vectorengines": {
        "64 endpoints": {"external": {"endpoints": [f"h{n}:1" for n in range(64)]}},
        "the highest port": {"external": {"endpoints": ["h:65535"]}},
        "a long key of a label": {"nodeSelector": {LONG_KEY: "a"}},
        "a long key of a namespace's label": {
            "allowedNamespaces": {"from": "Selector", "selector": {"matchLabels": {LONG_KEY: "a"}}}
        },
        "a long name of a resource": {"resources": {"limits": {LONG_KEY: 1}}},
        "a long name of a requested resource": {
            "resources": {"requests": {LONG_KEY: 1}, "limits": {LONG_KEY: 1}}
        },
    },
}
MORE_TAGS, MORE_ROOM = "more partitions", "more collections"
TAKEN_SINCE: dict[str, dict[str, Any]] = {
    "vectorcollections": {MORE_TAGS: {"partitions": [*MANY_TAGS, "more"]}},
    "vectorengines": {
        MORE_ROOM: {"limits": {"maxCollectionsAndPartitions": 8192}},
        "an annotation": {"podAnnotations": {"a": "b"}, "upgradePolicy": "Automatic"},
    },
}


def merged(base: Any, change: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(change, dict):
        return change
    return base | {key: merged(base.get(key, {}), value) for key, value in change.items()}


def specs() -> Iterator[tuple[str, str, Any]]:
    """Return kind, title and spec of all that the release before took."""
    for plural, changes in yaml.safe_load((before.FOLDER / "accepted.yaml").read_text()).items():
        for title, change in {**changes, **REFUSED_TODAY[plural]}.items():
            yield plural, title, merged(SMALLEST[plural], change)
    every = merged(SMALLEST["vectorcollections"], {"partitions": MANY_TAGS})
    yield "vectorcollections", "as many partitions as there may be", every
    plurals = {kind: plural for plural, kind in KINDS.items()}
    for path in sorted((before.FOLDER / "manifests" / "samples").glob("*.yaml")):
        for manifest in yaml.safe_load_all(path.read_text()):
            title = f"sample {manifest['metadata']['name']}"
            yield plurals[manifest["kind"]], title, manifest["spec"]


class Objects:
    """Objects of both kinds in one namespace, by their titles."""

    def __init__(self, client: Any, namespace: str) -> None:
        self._api = kubernetes.client.CustomObjectsApi(client)
        self._at = {"group": "quiver.dev", "version": "v1alpha1", "namespace": namespace}
        self._names: dict[tuple[str, str], str] = {}

    def create(self, plural: str, title: str, spec: Any, *, try_only: bool = False) -> None:
        """Store an object, or see whether it would be. Raises ApiException."""
        name = self._names.setdefault((plural, title), f"x{len(self._names)}")
        self._api.create_namespaced_custom_object(
            **self._at,
            plural=plural,
            body={
                "apiVersion": "quiver.dev/v1alpha1",
                "kind": KINDS[plural],
                "metadata": {"name": f"{name}-tried" if try_only else name},
                "spec": spec,
            },
            field_validation="Strict",
            dry_run="All" if try_only else None,
        )

    def is_taken(self, plural: str, spec: Any) -> bool:
        try:
            self.create(plural, "tried", spec, try_only=True)
        except ApiException as error:
            if error.status != UNPROCESSABLE:
                raise
            return False
        return True

    def spec(self, plural: str, title: str) -> Any:
        at = {**self._at, "plural": plural, "name": self._names[plural, title]}
        return self._api.get_namespaced_custom_object(**at)["spec"]

    def change(self, plural: str, title: str, patch: Any) -> None:
        at = {**self._at, "plural": plural, "name": self._names[plural, title]}
        self._api.patch_namespaced_custom_object(**at, body=patch, **MERGE)

    def change_status(self, plural: str, title: str, status: Any) -> None:
        at = {**self._at, "plural": plural, "name": self._names[plural, title]}
        body = {"status": status}
        self._api.patch_namespaced_custom_object_status(**at, body=body, **MERGE)


@pytest.fixture
def objects(control_plane: ControlPlane, namespace: str) -> Iterator[Objects]:
    """A namespace under the CRDs of the release before; today's are back at the end."""
    client = kubernetes.config.new_client_from_config(str(control_plane.kubeconfig))
    objects = Objects(client, namespace)
    apply_crds(control_plane, before.FOLDER, objects)
    yield objects
    apply_crds(control_plane, before.ROOT, objects)
    mine = (f"--namespace={namespace}", "--all", "--wait=false")
    control_plane.kubectl("delete", "vcol,veng", *mine)


def apply_crds(control_plane: ControlPlane, folder: Path, objects: Objects) -> None:
    """Apply the CRDs of a release, and wait until both are served."""
    crds = f"--filename={folder / 'crds'}"
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", crds)
    control_plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", *CRDS)
    is_today = folder == before.ROOT
    wait_until(lambda: telling_apart(objects) == {is_today}, f"the CRDs of {folder} are served")


def telling_apart(objects: Objects) -> set[bool]:
    """Return, of both kinds, whether something is taken that today's CRDs take and no others."""
    return {
        objects.is_taken(plural, merged(SMALLEST[plural], TAKEN_SINCE[plural][title]))
        for plural, title in (("vectorcollections", MORE_TAGS), ("vectorengines", MORE_ROOM))
    }


def test_what_is_stored_stays_and_can_be_changed(
    objects: Objects, control_plane: ControlPlane
) -> None:
    """Under today's CRDs, and under those of before once they are back: an object that would be
    refused if it were new can be labelled, reported on and changed elsewhere. The way back takes
    fields that are new, and no other, and fills in the defaults that there were.
    """
    stored = [*specs()]
    for plural, title, spec in stored:
        objects.create(plural, title, spec)
    had = {(plural, title): objects.spec(plural, title) for plural, title, _ in stored}
    apply_crds(control_plane, before.ROOT, objects)
    for plural, title, _ in stored:
        assert objects.spec(plural, title) == had[plural, title], title
        objects.change(plural, title, {"metadata": {"labels": {"changed": "today"}}})
        objects.change_status(plural, title, SEEN)
        objects.change(plural, title, {"spec": OTHERWISE[plural]})
    for plural, changes in TAKEN_SINCE.items():
        for title, change in changes.items():
            objects.create(plural, title, merged(SMALLEST[plural], change))
    assert not objects.spec("vectorcollections", MORE_TAGS).keys() & FILLED_IN.keys()
    apply_crds(control_plane, before.FOLDER, objects)
    since = [(plural, title, None) for plural, changes in TAKEN_SINCE.items() for title in changes]
    for plural, title, _ in [*stored, *since]:
        objects.change(plural, title, {"metadata": {"labels": {"changed": "back"}}})
        objects.change_status(plural, title, SEEN)
        objects.change(plural, title, {"spec": OTHERWISE[plural]})
        if (plural, title) in had:
            changed = merged(had[plural, title], OTHERWISE[plural])
            assert objects.spec(plural, title) == changed, title
    assert objects.spec("vectorcollections", MORE_TAGS).items() >= FILLED_IN.items()
    assert "podAnnotations" not in objects.spec("vectorengines", "an annotation")


def test_what_was_taken_is_taken_but_for_what_is_listed(
    objects: Objects, control_plane: ControlPlane
) -> None:
    """A manifest of then can be applied today, unless it has a bare host name, a list of tags that
    fits no object, or a key that no label can have.
    """
    listed = {title for changes in REFUSED_TODAY.values() for title in changes}
    found = [*specs()]
    assert [title for plural, title, spec in found if not objects.is_taken(plural, spec)] == []
    apply_crds(control_plane, before.ROOT, objects)
    refused = {title for plural, title, spec in found if not objects.is_taken(plural, spec)}
    assert refused == listed
