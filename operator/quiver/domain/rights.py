"""What the operator's rights cover, and how an admin of a namespace gives it more."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Rights:
    """The rights that an operator was installed with.

    `namespaces` are those that it watches; empty means the whole cluster. `secrets_role` is the
    role that an admin of a namespace binds to `service_account` (NAMESPACE:NAME) so that the
    operator may use the Secrets there: a ClusterRole or, with `namespaces`, a Role in each of them.
    Both are None for an operator that was not installed by the chart.
    """

    namespaces: tuple[str, ...] = ()
    secrets_role: str | None = None
    service_account: str | None = None

    @property
    def is_cluster_wide(self) -> bool:
        return not self.namespaces

    def covers(self, namespace: str) -> bool:
        """Tell whether the operator watches the namespace."""
        return self.is_cluster_wide or namespace in self.namespaces

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
