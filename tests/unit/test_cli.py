"""The command line, as somebody meets it who has just installed it."""

import sys
from ipaddress import ip_network

import pytest
from click.testing import CliRunner

from quiver import __version__
from quiver.cli import COMMANDS, SERVICES, main
from quiver.domain.addresses import AddressPolicy
from quiver.domain.rights import Rights
from quiver.settings import Settings


def test_version() -> None:
    """--version says the version."""
    assert CliRunner().invoke(main, ["--version"]).output == f"quiver, version {__version__}\n"


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help(command: list[str]) -> None:
    """Every command explains itself."""
    result = CliRunner().invoke(main, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output
    assert "\\b" not in result.output
    assert "\b" not in result.output


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - SERVICES))
def test_a_mistake_of_usage_is_an_error_and_no_answer(command: str) -> None:
    """Exit code 2 says of a plan that something changes, and of others that all is not well."""
    result = CliRunner().invoke(main, [command, "--no-such-option"])
    assert (result.exit_code, "No such option" in result.output) == (1, True)


@pytest.mark.parametrize("arguments", [["no-such-command"], ["--kubeconfig=x", "plan"]])
def test_what_is_no_command_is_an_error_too(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, arguments).exit_code == 1


@pytest.mark.parametrize("command", sorted(SERVICES))
def test_commands_of_pods_keep_their_exit_code(command: str) -> None:
    assert CliRunner().invoke(main, [command, "--no-such-option"]).exit_code == 2


def test_without_a_cluster_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator that is pointed at no cluster ends with what to do about it."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("quiver.command._set_up_logging", lambda *_: None)
    result = CliRunner().invoke(main, ["operator"])
    assert result.exit_code == 1
    assert result.output == (
        "Error: no Kubernetes cluster: set KUBECONFIG to the path of a kubeconfig file,"
        " or run inside a pod\n"
    )


def test_options_come_from_the_environment_too() -> None:
    """QUIVER_WORKERS is --workers."""
    result = CliRunner().invoke(main, ["operator"], env={"QUIVER_WORKERS": "many"})
    assert result.exit_code == 2
    assert "--workers" in result.output


NETWORKS = ("127.0.0.0/8", "fd00::/8")


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--allow-engine-cidr=127.0.0.0/8", "--allow-engine-cidr=fd00::/8"], {}),
        ([], {"QUIVER_ALLOW_ENGINE_CIDR": "127.0.0.0/8 fd00::/8"}),
    ],
)
def test_networks_of_engines(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], environment: dict[str, str]
) -> None:
    """Where engines may be is said in CIDRs, several by repeating the option or with blanks."""
    seen: list[Settings] = []

    async def run(settings: Settings) -> None:
        seen.append(settings)

    monkeypatch.setattr("quiver.command._set_up_logging", lambda *_: None)
    monkeypatch.setattr("quiver.command._run", run)
    deny = "--deny-engine-cidr=10.96.0.0/12"
    result = CliRunner().invoke(main, ["operator", deny, *arguments], env=environment)
    assert result.exit_code == 0, result.output
    allowed = tuple(map(ip_network, NETWORKS))
    assert seen[0].addresses == AddressPolicy(allowed, (ip_network("10.96.0.0/12"),))


@pytest.mark.parametrize("option", ["--allow-engine-cidr", "--deny-engine-cidr"])
@pytest.mark.parametrize(
    "cidr", ["", "10.0.0.0", "10.0.0.1/8", "10.0.0.0/33", "fe80::%eth0/64", "example.org/8", "all"]
)
def test_wrong_networks(option: str, cidr: str) -> None:
    """What is no CIDR is a mistake of usage, shown with what would be one."""
    result = CliRunner().invoke(main, ["operator", f"{option}={cidr}"])
    assert result.exit_code == 2
    assert f"'{option}'" in result.output
    assert f"{cidr!r} is not a network such as 10.0.0.0/8 or fd00::/8, " in result.output


def test_namespaces_are_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is watched once; the role is what conditions name where Secrets are out of reach."""
    seen: list[Settings] = []

    async def run(settings: Settings) -> None:
        seen.append(settings)

    monkeypatch.setattr("quiver.command._set_up_logging", lambda *_: None)
    monkeypatch.setattr("quiver.command._run", run)
    named = ["--namespace=team-a", "--namespace=team-b", "--namespace=team-a"]
    result = CliRunner().invoke(main, ["operator", *named, "--secrets-role=system:secrets"])
    assert result.exit_code == 0, result.output
    wanted = Rights(namespaces=("team-a", "team-b"), secrets_role="system:secrets")
    assert seen[0].rights == wanted


@pytest.mark.parametrize("name", ["", "Team", "a/b", "team_a", "-a", "a" * 64])
def test_what_is_not_a_namespace_is_refused(name: str) -> None:
    """The message says what is allowed."""
    result = CliRunner().invoke(main, ["operator", f"--namespace={name}"])
    assert result.exit_code == 2
    assert "is not the name of a namespace: up to 63 lowercase letters" in result.output


def test_without_the_extra_the_engine_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A missing package of the engine's is no traceback."""
    monkeypatch.setitem(sys.modules, "quiver_engine.cli", None)
    monkeypatch.setattr("quiver.cli.EXTRAS", {"quiver_engine.cli": "engine"})
    result = CliRunner().invoke(main, ["engine", "--data-dir", "x"])
    assert result.exit_code == 1
    assert "pip install '.[engine]'" in result.output


def operator_settings(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Settings:
    """Return the settings that `quiver operator` runs with."""
    seen: list[Settings] = []

    async def run(settings: Settings) -> None:
        seen.append(settings)

    monkeypatch.setattr("quiver.command._set_up_logging", lambda *_: None)
    monkeypatch.setattr("quiver.command._run", run)
    result = CliRunner().invoke(main, ["operator", *arguments])
    assert result.exit_code == 0, result.output
    return seen[0]


@pytest.mark.parametrize(
    ("arguments", "labels"),
    [
        ([], {}),
        (["--pod-labels=a=b"], {"a": "b"}),
        (["--pod-labels=example.org/a=b,c="], {"example.org/a": "b", "c": ""}),
    ],
)
def test_labels_of_the_operators_pods(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], labels: dict[str, str]
) -> None:
    """They are given as kubectl takes them for a selector; without the option there are none."""
    assert operator_settings(monkeypatch, *arguments).pod_labels == labels


@pytest.mark.parametrize("labels", ["a", "=b", "a=b,c"])
def test_wrong_labels(labels: str) -> None:
    """What is no list of labels is refused with an example."""
    result = CliRunner().invoke(main, ["operator", f"--pod-labels={labels}"])
    assert result.exit_code == 2
    assert "is not a list of labels such as app.kubernetes.io/name=quiver" in result.output
