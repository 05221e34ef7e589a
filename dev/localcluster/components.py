"""The control plane's processes: their arguments, and the reasons for the unusual ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from localcluster.binaries import Binaries
from localcluster.layout import Layout
from localcluster.processes import ProcessSpec
from machine.ports import free_ports

SERVICE_NETWORK = "10.96.0.0/24"
SERVICE_ADDRESS = "10.96.0.1"

AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted, Panic]
rules: [{level: Metadata}]
"""


@dataclass(frozen=True)
class Addresses:
    """Where the API server and etcd listen, and where the API server is reached."""

    bind: str
    advertise: str
    port: int
    etcd_port: int
    etcd_peer_port: int
    controller_manager_port: int
    scheduler_port: int

    @classmethod
    def on_loopback(cls) -> Addresses:
        """Free ports of 127.0.0.1."""
        return cls("127.0.0.1", "127.0.0.1", *free_ports(5))

    @property
    def server(self) -> str:
        """The API server's URL for clients on this machine."""
        return f"https://{self.advertise}:{self.port}"

    @property
    def local_server(self) -> str:
        """The API server's URL for its neighbours."""
        return f"https://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class ControlPlaneProcesses:
    """Builds the process list of one control plane."""

    binaries: Binaries
    layout: Layout
    addresses: Addresses
    audit: bool

    def all(self) -> list[ProcessSpec]:
        """In the order of starting."""
        return [
            self.etcd(),
            self.apiserver(),
            self.controller_manager(),
            self.scheduler(),
        ]

    def etcd(self) -> ProcessSpec:
        """The store. A cluster lives shorter than the machine, so fsync buys nothing."""
        client = f"http://127.0.0.1:{self.addresses.etcd_port}"
        peer = f"http://127.0.0.1:{self.addresses.etcd_peer_port}"
        return self._process(
            "etcd",
            "--name=default",
            f"--data-dir={self.layout.etcd}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        )

    def apiserver(self) -> ProcessSpec:
        """The API server, with RBAC, certificates of our own and no loopback shortcuts."""
        pki = self.layout.pki
        return self._process(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self.addresses.etcd_port}",
            f"--bind-address={self.addresses.bind}",
            f"--secure-port={self.addresses.port}",
            f"--advertise-address={self.addresses.advertise}",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            # No kube-proxy: the service address itself is an address of the API server.
            "--endpoint-reconciler-type=none",
            "--authorization-mode=Node,RBAC",
            # The second is on in strict clusters, and asks for rights that nothing else asks for.
            "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
            "--allow-privileged=true",
            f"--client-ca-file={self.layout.authority}",
            # No API server behind this one; without it the controllers log an error a second.
            f"--requestheader-client-ca-file={self.layout.authority}",
            "--requestheader-allowed-names=front-proxy",
            f"--tls-cert-file={pki / 'apiserver.crt'}",
            f"--tls-private-key-file={pki / 'apiserver.key'}",
            f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
            f"--kubelet-client-key={pki / 'kubelet-client.key'}",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={pki / 'service-accounts.pub'}",
            f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
            *self._audit_arguments(),
        )

    def _audit_arguments(self) -> list[str]:
        if not self.audit:
            return []
        policy = self.layout.pki / "audit-policy.yaml"
        policy.write_text(AUDIT_POLICY)
        # Blocking mode: a request that was answered stands in the file, so tests may count.
        return [
            f"--audit-policy-file={policy}",
            f"--audit-log-path={self.layout.audit_log}",
            "--audit-log-mode=blocking",
            "--audit-log-maxsize=100000",  # MB; rotation would take lines out of sight
        ]

    def controller_manager(self) -> ProcessSpec:
        """Controllers at a rate that makes the default service account appear in 3 s, not 9."""
        kubeconfig = self.layout.kubeconfigs / "controller-manager"
        pki = self.layout.pki
        return self._process(
            "kube-controller-manager",
            *_kubeconfig_arguments(kubeconfig),
            f"--service-account-private-key-file={pki / 'service-accounts.key'}",
            f"--root-ca-file={self.layout.authority}",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--kube-api-qps=300",
            "--kube-api-burst=600",
            "--allocate-node-cidrs=false",
            "--enable-hostpath-provisioner=true",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.addresses.controller_manager_port}",
            f"--cert-dir={self.layout.pki / 'controller-manager'}",
            needs=[f"{self.addresses.local_server}/readyz"],
        )

    def scheduler(self) -> ProcessSpec:
        """The scheduler, with its defaults."""
        return self._process(
            "kube-scheduler",
            *_kubeconfig_arguments(self.layout.kubeconfigs / "scheduler"),
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.addresses.scheduler_port}",
            f"--cert-dir={self.layout.pki / 'scheduler'}",
            needs=[f"{self.addresses.local_server}/readyz"],
        )

    def _process(self, name: str, *arguments: str, needs: list[str] | None = None) -> ProcessSpec:
        argv = [str(self.binaries.path(name)), *arguments]
        return ProcessSpec(name, argv, str(self.layout.log(name)), needs or [])


def _kubeconfig_arguments(path: Path) -> list[str]:
    flags = ("--kubeconfig", "--authentication-kubeconfig", "--authorization-kubeconfig")
    return [f"{flag}={path}" for flag in flags]
