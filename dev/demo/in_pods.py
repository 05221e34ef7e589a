"""What stages with nodes share: the operator is the chart's Deployment, the engine has a pod."""

from dataclasses import dataclass

from demo.shell import Shell, Unexpected
from demo.stage import ENGINE, RESYNC_S

ENGINE_POD = f"{ENGINE}-0"
GRPC_PORT = 19530
OPERATOR = "app.kubernetes.io/name=quiver"
LOG_LINES = 15
RESTART = "--timeout=60s"


@dataclass(frozen=True)
class Release:
    """The chart's release: its name, its namespace, and arguments of `helm install`."""

    name: str
    namespace: str
    arguments: tuple[str, ...]

    @property
    def where(self) -> tuple[str, str]:
        return ("--namespace", self.namespace)

    def install(self, shell: Shell) -> None:
        resync = ("--set", f"resyncPeriod={RESYNC_S}")
        install = ("helm", "install", self.name, "charts/quiver", "--wait", "--hide-notes")
        shell.run(*install, *self.where, *resync, *self.arguments)
        shell.run("kubectl", "get", "pods", *self.where)

    def uninstall(self, shell: Shell) -> None:
        shell.run("helm", "uninstall", self.name, *self.where, "--wait")

    def kill_operator(self, shell: Shell) -> None:
        kill = ("--force", "--grace-period=0")
        shell.run("kubectl", "delete", "pod", *self.where, "-l", OPERATOR, *kill)

    def operator_log(self, shell: Shell) -> str:
        try:
            return shell.quiet(
                "kubectl", "logs", *self.where, "-l", OPERATOR, f"--tail={LOG_LINES}"
            )
        except Unexpected as error:
            return str(error)


def kill_engine(shell: Shell) -> None:
    """End the engine's pod at once, and wait for the next one."""
    shell.run("kubectl", "delete", "pod", ENGINE_POD, "--force", "--grace-period=0")
    for state in ("create", "condition=Ready"):
        shell.run("kubectl", "wait", f"pod/{ENGINE_POD}", f"--for={state}", RESTART)
