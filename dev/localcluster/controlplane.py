"""A Kubernetes control plane without a node, for any user, as many side by side as wanted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from localcluster import catalogue
from localcluster.api import ApiClient
from localcluster.binaries import Binaries
from localcluster.certificates import Authority, KeyPair, signing_key, write_private
from localcluster.commands import Commands
from localcluster.components import SERVICE_ADDRESS, Addresses, ControlPlaneProcesses
from localcluster.kubeconfig import write_kubeconfig
from localcluster.layout import Layout
from localcluster.processes import ProcessSpec, SupervisorSpec
from localcluster.session import Session
from localcluster.status import record
from localcluster.teardown import tear_down
from machine.modules import module_command
from machine.progress import Say

READY_TIMEOUT_S = 60.0
DEFAULT_ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"
ADMIN_GROUPS = ("system:masters",)
COMPONENTS = {
    "controller-manager": "system:kube-controller-manager",
    "scheduler": "system:kube-scheduler",
}
SERVER_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


class ControlPlane:
    """etcd, API server, controller manager and scheduler, for the length of a `with` block.

    Everything lies in `directory`; a second use of the same directory starts from nothing.
    When this process dies, the processes die with it.
    """

    programs: Sequence[str] = catalogue.CONTROL_PLANE
    with_node = False

    def __init__(
        self, directory: Path, audit: bool = False, *, progress: Say | None = None
    ) -> None:
        """Prepare a control plane in `directory`; `audit` has every request written down."""
        self.layout = Layout(Path(directory).resolve())
        self.audit_log: Path | None = self.layout.audit_log if audit else None
        self._progress = progress
        self._session: Session | None = None

    def __enter__(self) -> Self:
        """Start, and return when the API server is ready and pods could be created."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop everything; logs stay in the directory."""
        self.stop()

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig file."""
        return self.layout.kubeconfig

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self._addresses.server

    def start(self) -> None:
        """Start and wait until ready.

        Raises BuildError when a program is missing and cannot be built, ProcessFailedError,
        with the log's last lines, when a process ends or is not ready in time.
        """
        self.ensure_programs()
        tear_down(self.layout)
        self.layout.create()
        self._addresses = self._choose_addresses()
        self._write_credentials()
        try:
            self._session = self._launch()
            self._wait_ready()
            record(self.layout, self.server, with_node=self.with_node)
        except BaseException:
            self.stop()
            raise

    def ensure_programs(self) -> None:
        """Find or build what runs the cluster. Raises BuildError."""
        self.binaries = Binaries.ensure(self._progress, self.programs)

    def stop(self) -> None:
        """Stop everything. Does nothing when nothing runs."""
        if self._session is not None:
            self._session.close()
            self._session = None
        self.layout.discard_bulk()

    def detach(self) -> None:
        """Let the cluster go on after this process; `python -m localcluster down` ends it."""
        self._running.detach()
        self._session = None

    def create_namespace(self, name: str) -> None:
        """Create a namespace and wait until pods can be created in it."""
        self.kubectl("create", "namespace", name)
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        self._wait_exists(account, f"the default service account of namespace {name}")

    def kubectl(self, *arguments: str, input: str | None = None, check: bool = True) -> str:  # noqa: A002
        """Standard output of kubectl, as the administrator.

        Raises CommandError with its stderr when it fails, unless `check` is false.
        """
        return self._commands.run(
            self.binaries.path("kubectl"), arguments, stdin=input, check=check
        )

    def helm(self, *arguments: str, input: str | None = None, check: bool = True) -> str:  # noqa: A002
        """Standard output of helm, as the administrator; builds helm when it is not there yet.

        Raises CommandError with its stderr when it fails, unless `check` is false.
        """
        helm = Binaries.ensure(self._progress, ["helm"]).path("helm")
        return self._commands.run(helm, arguments, stdin=input, check=check)

    def kubeconfig_for(self, user: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig whose client certificate makes its bearer `user` in `groups`."""
        name = "-".join(["user", user, *groups]).replace("/", "_").replace(":", "_")
        return self._kubeconfig(name, self._authority.client(user, groups))

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a fresh token of a service account, valid for an hour.

        Raises CommandError when there is no such service account.
        """
        token = self.kubectl("create", "token", name, f"--namespace={namespace}").strip()
        return self._kubeconfig(f"sa-{namespace}-{name}", token, namespace)

    def stop_apiserver(self) -> None:
        """Stop the API server; etcd and the others go on."""
        self._running.command("stop", "kube-apiserver", until="stopped", timeout=READY_TIMEOUT_S)

    def start_apiserver(self) -> None:
        """Start the API server again, on the same port with the same data; wait till ready."""
        self._running.command("start", "kube-apiserver", until="started", timeout=READY_TIMEOUT_S)
        self._wait_exists("/readyz", "the API server to be ready")

    def stop_etcd(self) -> None:
        """Stop etcd, whose data in `layout.etcd` may then be copied or replaced."""
        self._running.command("stop", "etcd", until="stopped", timeout=READY_TIMEOUT_S)

    def start_etcd(self) -> None:
        """Start etcd again, with the data that is there."""
        self._running.command("start", "etcd", until="started", timeout=READY_TIMEOUT_S)

    def restart_apiserver(self) -> None:
        """Stop the API server and start it again."""
        self.stop_apiserver()
        self.start_apiserver()

    def pid_of(self, name: str) -> int | None:
        """The process id of `etcd`, `kube-apiserver` and so on; None while it does not run."""
        return self._running.pid_of(name)

    def start_process(self, name: str) -> None:
        """Have a process started that was killed or has ended; returns at once."""
        self._running.start(name)

    @property
    def _running(self) -> Session:
        if self._session is None:
            raise RuntimeError("the cluster does not run: use it in a `with` block")
        return self._session

    @property
    def _commands(self) -> Commands:
        return Commands(self.kubeconfig, self.layout.directory / "cache")

    def _choose_addresses(self) -> Addresses:
        return Addresses.on_loopback()

    def _server_addresses(self) -> list[str]:
        return ["127.0.0.1", SERVICE_ADDRESS]

    def _write_credentials(self) -> None:
        pki = self.layout.pki
        authority = Authority.create("localcluster")
        authority.write(pki, "ca")
        self._authority = Authority(authority)
        server = self._authority.server("kube-apiserver", SERVER_NAMES, self._server_addresses())
        server.write(pki, "apiserver")
        kubelet_client = self._authority.client("apiserver-kubelet-client", ADMIN_GROUPS)
        kubelet_client.write(pki, "kubelet-client")
        private, public = signing_key()
        write_private(pki / "service-accounts.key", private)
        (pki / "service-accounts.pub").write_bytes(public)
        admin = self._authority.client("admin", ADMIN_GROUPS)
        certificate, key = admin.write(pki, "admin")
        write_kubeconfig(self.kubeconfig, self.server, self._authority.pem, admin)
        for name, user in COMPONENTS.items():
            self._component_kubeconfig(name, user)
        self._api = ApiClient(self.server, self.layout.authority, certificate, key)

    def _component_kubeconfig(self, name: str, user: str, groups: Sequence[str] = ()) -> Path:
        credentials = self._authority.client(user, groups)
        path = self.layout.kubeconfigs / name
        server = self._addresses.local_server
        return write_kubeconfig(path, server, self._authority.pem, credentials)

    def _kubeconfig(self, name: str, credentials: KeyPair | str, namespace: str = "") -> Path:
        path = self.layout.kubeconfigs / name
        return write_kubeconfig(path, self.server, self._authority.pem, credentials, namespace)

    def _processes(self) -> ControlPlaneProcesses:
        return ControlPlaneProcesses(
            self.binaries, self.layout, self._addresses, self.audit_log is not None
        )

    def _described_processes(self) -> list[ProcessSpec]:
        return self._processes().all()

    def _launch(self) -> Session:
        spec = SupervisorSpec(str(self.layout.authority), self._described_processes())
        spec.save(self.layout.spec)
        command = module_command("localcluster.supervisor", str(self.layout.spec))
        return Session(command, self.layout.log("supervisor"))

    def _wait_ready(self) -> None:
        self._wait_exists("/readyz", "the API server to be ready")
        # Without it no pod can be created; its controller is the last to come up.
        self._wait_exists(DEFAULT_ACCOUNT, "the default service account")

    def _wait_exists(self, path: str, what: str) -> None:
        self._running.wait(lambda: self._api.exists(path), what, READY_TIMEOUT_S)
