"""The story: its steps in order, each a title and a function that does and checks it."""

from collections.abc import Callable
from typing import NamedTuple

from demo import steps_milvus, steps_setup, steps_trouble, steps_use
from demo.play import Play


class Step(NamedTuple):
    """`usual_s` is what it takes in seconds, `needs_gpus` marks what only GPUs can show."""

    title: str
    perform: Callable[[Play], None]
    usual_s: float
    needs_gpus: bool = False


_FIXED = Step("What is fixed in a collection is not changed", steps_use.change_what_is_fixed, 1)
END = Step("Everything is as it was before", steps_setup.stop_cluster, 2)

SETUP = (
    Step("A Kubernetes", steps_setup.start_cluster, 8),
    Step("Quiver, installed", steps_setup.install, 5),
    Step("An engine, and three collections on it", steps_setup.apply_collections, 5),
    Step("What is there now", steps_setup.look_around, 1),
)
REST = (
    Step(
        "An engine that asks for more GPUs than there are waits, and says why",
        steps_setup.ask_for_too_many_gpus,
        3,
        needs_gpus=True,
    ),
    Step("A Milvus 1.x client, unchanged, uses the collections", steps_use.insert_and_search, 8),
    _FIXED,
    Step(
        "A collection dropped behind Quiver's back comes back",
        steps_trouble.drop_behind_its_back,
        8,
    ),
    Step("The operator is killed in the middle of work", steps_trouble.kill_the_operator, 8),
    Step("The engine is killed, and its vectors are there again", steps_trouble.kill_the_engine, 8),
    Step("Everything is deleted, except what is to be retained", steps_use.delete_everything, 8),
    END,
)
STORY = SETUP + REST
MILVUS_STORY = (
    *SETUP[:2],
    Step("A Milvus 2.3.5 that runs already, and collections for it", steps_milvus.connect, 8),
    Step(
        "Ready means searchable: 100 searches, none of them twice",
        steps_milvus.search_when_ready,
        10,
    ),
    Step("A Milvus client, unchanged, uses the collections", steps_milvus.insert_and_search, 5),
    Step("What is fixed is not changed", steps_milvus.change_what_is_fixed, 1),
    Step("A collection leaves the memory, and is loaded again", steps_milvus.release_and_load, 5),
    Step("Everything is deleted", steps_milvus.delete_everything, 8),
    END,
)
FIRST_LOOK = (*SETUP, _FIXED)
"""What an API server alone can show, with operator and engine as processes."""
