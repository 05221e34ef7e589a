"""What the operator's rights cover, and how an admin of a namespace gives it more."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Rights:
    """The rights that an operator was installed with.

    `namespaces` are those that it watches; empty means the whole cluster. `secrets_role` is the
    role that an admin of a namespace binds to `service_account` (NAMESPACE:NAME) so that the
    operator may use the Secrets there: a ClusterRole or, with `namespaces`, a Role in each of them.
    Both are None for an operator that was not installed by the chart. `withheld` are those of
    `namespaces` where the operator has no rights at present: it changes while the operator runs.
    """

    namespaces: tuple[str, ...] = ()
    secrets_role: str | None = None
    service_account: str | None = None
    withheld: set[str] = field(default_factory=set, compare=False)

    @property
    def is_cluster_wide(self) -> bool:
        return not self.namespaces

    def covers(self, namespace: str) -> bool:
        """Tell whether the operator watches the namespace."""
        return self.is_cluster_wide or namespace in self.reachable

    @property
    def reachable(self) -> tuple[str, ...]:
        """The namespaces that the operator can watch at present; empty means the whole cluster."""
        return tuple(name for name in self.namespaces if name not in self.withheld)

    def secrets_cure(self, namespace: str) -> str:
        """Return the sentence that says how the operator gets the right to use the Secrets of the
        namespace.
        """
        if self.secrets_role is None or self.service_account is None:
            return "Let the operator's user get, create, patch and delete Secrets there."
        kind = "clusterrole" if self.is_cluster_wide else "role"
        return (
            "An admin of the namespace can allow it: `kubectl create rolebinding quiver-secrets "
            f"--namespace={namespace} --{kind}={self.secrets_role} "
            f"--serviceaccount={self.service_account}`."
        )
