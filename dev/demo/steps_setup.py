"""Steps that build the stage, look at it, and take it away."""

from demo.footprint import counted
from demo.play import Play, expect
from demo.shell import Unexpected
from demo.stage import ENGINE

PRINT_GPUS = 'import os; print(os.environ["NVIDIA_VISIBLE_DEVICES"])'


def start_cluster(play: Play) -> None:
    play.stage.start()


def install(play: Play) -> None:
    play.stage.install()


def apply_collections(play: Play) -> None:
    play.shell.run("cat", "dev/demo/manifests/collections.yaml")
    play.shell.run("kubectl", "apply", "-f", "dev/demo/manifests/collections.yaml")
    play.stage.apply_engine()
    play.wait_ready(f"veng/{ENGINE}")
    play.wait_ready("vcol", "--all")
    play.screen.note(f"collections are Ready {play.age_s():.0f} s after the demo began")


def look_around(play: Play) -> None:
    pods = ",pods" if play.stage.has_pods else ""
    play.shell.run("kubectl", "get", f"vcol,veng{pods}", "-o", "wide")
    if not play.stage.has_gpus:
        return
    play.screen.note("GPUUnused: the pod has a GPU, and the default image computes on the CPU")
    play.screen.note("the GPU that the device plugin gave the pod")
    gpus = play.shell.run("kubectl", "exec", f"{ENGINE}-0", "--", "python3", "-c", PRINT_GPUS)
    expect(len(gpus.strip().split(",")), 1, "the number of GPUs that the pod sees")


def ask_for_too_many_gpus(play: Play) -> None:
    play.shell.run("kubectl", "apply", "-f", "dev/demo/manifests/greedy.yaml")
    play.until(
        *("kubectl", "get", "veng", "greedy", "-o", "wide"),
        holds=lambda told: "Unschedulable" in told and "Insufficient nvidia.com/gpu" in told,
        expected="the reason Unschedulable and the scheduler's own words",
    )
    play.shell.run("kubectl", "delete", "veng", "greedy")


def stop_cluster(play: Play) -> None:
    before = play.stage.footprint()
    play.screen.note(f"there are of the demo: {counted(before)}")
    if not any(before.values()):
        raise Unexpected("the running demo to leave traces", counted(before))
    play.stage.stop()
    after = play.stage.footprint()
    play.screen.note(f"after its end: {counted(after)}")
    expect([name for names in after.values() for name in names], [], "what is left")
