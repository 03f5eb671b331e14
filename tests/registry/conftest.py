"""Fixtures of the registry's tests: real registries, one for each way to be let in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from builders import certificates, proxies, registries, tokens
from builders.proxies import Proxy
from builders.pushes import Place
from builders.registries import PASSWORD, USER
from builders.simulator import serving
from builders.simulator.registry import Simulator
from builders.tokens import TokenServer

from imgforge.registry import trust
from imgforge.registry.client import Client
from imgforge.registry.credentials import Credentials, Find, given


def _alice(host: str) -> Find:
    return given(host, Credentials(USER, PASSWORD))


@pytest.fixture(scope="session")
def open_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A registry that serves anybody, with its files on disk."""
    with registries.serve(tmp_path_factory.mktemp("open"), on_disk=True) as running:
        yield Place(running.host)


@pytest.fixture(scope="session")
def password_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A registry that asks for a password."""
    directory = tmp_path_factory.mktemp("password")
    with registries.serve(directory, auth=registries.passwords(directory)) as running:
        yield Place(running.host, _alice(running.host))


@pytest.fixture(scope="session")
def token_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenServer]:
    with tokens.serve(tmp_path_factory.mktemp("tokens")) as running:
        yield running


@pytest.fixture
def token_server(token_servers: TokenServer) -> TokenServer:
    """The token server of `token_registry`, with nothing asked yet."""
    token_servers.asked.clear()
    token_servers.issued.clear()
    token_servers.faults.clear()
    token_servers.forbidden.clear()
    token_servers.lifetime = token_servers.said_lifetime = 300
    return token_servers


@pytest.fixture(scope="session")
def token_registry(tmp_path_factory: pytest.TempPathFactory, token_servers: TokenServer) -> Iterator[Place]:
    """A registry that asks for tokens."""
    with registries.serve(tmp_path_factory.mktemp("token"), auth=token_servers.auth()) as running:
        yield Place(running.host, _alice(running.host))


@pytest.fixture(scope="session")
def tls_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A registry with TLS of a private authority, and a password."""
    directory = tmp_path_factory.mktemp("tls")
    authority = certificates.authority(directory)
    server = certificates.server(directory, signed_by=authority)
    tls = (server.certificate_path, server.key_path)
    with registries.serve(directory, auth=registries.passwords(directory), tls=tls) as running:
        trusted = trust.authorities([(running.host, authority.certificate_path)], directories=())
        yield Place(running.host, _alice(running.host), trusted)


@pytest.fixture(params=["open_registry", "password_registry", "token_registry", "tls_registry"])
def place(request: pytest.FixtureRequest) -> Place:
    """Each of the registries in turn."""
    found: Place = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def client(open_registry: Place) -> Iterator[Client]:
    with open_registry.client() as made:
        yield made


@pytest.fixture
def proxy(open_registry: Place) -> Iterator[Proxy]:
    """A proxy before the registry that serves anybody."""
    with proxies.serve(open_registry.host) as running:
        yield running


@pytest.fixture
def conforming_registry() -> Iterator[Simulator]:
    with serving.serve() as running:
        running.change(page=2)
        yield running


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """The name of a repository that no other test uses."""
    words = "".join(letter if letter.isalnum() else "-" for letter in request.node.name.lower())
    return "tests/" + "-".join(word for word in words.split("-") if word)[-100:]


@pytest.fixture
def environment(tmp_path: pytest.TempPathFactory) -> Callable[..., dict[str, str]]:
    """Make the environment of a user whose home is a temporary directory."""
    return lambda **more: {"HOME": str(tmp_path), "PATH": os.environ["PATH"], **more}
