"""The story: its steps in order, each a title and a function that does and checks it."""

from collections.abc import Callable
from typing import NamedTuple

from demo import steps_setup, steps_trouble, steps_use
from demo.play import Play


class Step(NamedTuple):
    """`on_node` marks what only a node can show."""

    title: str
    perform: Callable[[Play], None]
    on_node: bool = False


SETUP = (
    Step("A Kubernetes of its own", steps_setup.start_cluster),
    Step("Quiver, installed from its Helm chart", steps_setup.install),
    Step("An engine, and three collections on it", steps_setup.apply_collections),
    Step("What is there now", steps_setup.look_around),
)
REST = (
    Step(
        "An engine that asks for more GPUs than there are waits, and says why",
        steps_setup.ask_for_too_many_gpus,
        on_node=True,
    ),
    Step("A Milvus 1.x client, unchanged, uses the collections", steps_use.insert_and_search),
    Step("What is fixed in a collection is not changed", steps_use.change_what_is_fixed),
    Step(
        "A collection dropped behind Quiver's back comes back", steps_trouble.drop_behind_its_back
    ),
    Step("The operator is killed in the middle of work", steps_trouble.kill_the_operator),
    Step("The engine is killed, and its vectors are there again", steps_trouble.kill_the_engine),
    Step("Everything is deleted, except what is to be retained", steps_use.delete_everything),
    Step("The machine is as before", steps_setup.stop_cluster),
)
STORY = SETUP + REST
