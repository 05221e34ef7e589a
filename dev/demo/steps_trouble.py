"""Steps in which something goes wrong, and Quiver puts it right."""

from demo.play import Play, expect
from demo.steps_use import search_again

OLD = tuple(f"old-{n}" for n in range(3))
NEW_ON_ENGINE = {f"new_{n}" for n in range(10)}
STAY = {"test01", "articles", "Faces_v2"}


def drop_behind_its_back(play: Play) -> None:
    play.client("drop", "articles")
    play.until(
        *("kubectl", "get", "events", "--field-selector"),
        "involvedObject.name=articles,reason=Recreated",
        holds=lambda told: "Warning" in told,
        expected="a Warning event with the reason Recreated",
    )
    play.wait_ready("vcol/articles")
    expect(play.collections(), STAY, "the list of collections")


def kill_the_operator(play: Play) -> None:
    play.shell.run("kubectl", "apply", "-f", "dev/demo/manifests/old.yaml")
    play.wait_ready(*(f"vcol/{name}" for name in OLD))
    apply = ("kubectl", "apply", "-f", "dev/demo/manifests/new.yaml")
    delete = ("kubectl", "delete", "vcol", *OLD)
    with play.shell.meanwhile(apply, delete):
        play.stage.kill_operator()
    play.wait_ready("vcol", "--all")
    play.shell.run("kubectl", "get", "vcol")
    expect(play.collections(), STAY | NEW_ON_ENGINE, "the list of collections")


def kill_the_engine(play: Play) -> None:
    before = play.client("count", "test01")
    play.stage.kill_engine()
    play.wait_ready("vcol", "--all")
    expect(play.collections(), STAY | NEW_ON_ENGINE, "the list of collections")
    expect(play.client("count", "test01"), before, "the number of vectors")
    search_again(play)
