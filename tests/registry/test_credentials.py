"""Credentials come from where docker and podman keep them, and no message repeats a secret."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imgforge.registry.credentials import (
    Credentials,
    CredentialsError,
    Find,
    Kind,
    from_files,
    given,
    places,
)

SECRET = "wonderland"
HOST = "registry.example.org"
ALICE = base64.b64encode(f"alice:{SECRET}".encode()).decode()
BOB = base64.b64encode(b"bob:builder").decode()


@pytest.fixture
def docker(tmp_path: Path) -> Callable[[Any], Find]:
    """Write docker's configuration, and return what finds credentials there."""
    (tmp_path / ".docker").mkdir()
    (tmp_path / "bin").mkdir()

    def write(content: Any) -> Find:
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / ".docker" / "config.json").write_text(text)
        return from_files({"HOME": str(tmp_path), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"})

    return write


def program(directory: Path, name: str, script: str) -> None:
    path = directory / "bin" / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def who(found: Credentials | None) -> str:
    return f"{found.user}:{found.secret}" if found else ""


def test_the_files_are_looked_into_in_order() -> None:
    environment = {"HOME": "/home/a", "XDG_RUNTIME_DIR": "/run/user/7"}
    assert [str(path) for path in places(environment)] == [
        "/run/user/7/containers/auth.json",
        "/home/a/.config/containers/auth.json",
        "/home/a/.docker/config.json",
    ]
    more = {**environment, "DOCKER_CONFIG": "/d", "XDG_CONFIG_HOME": "/c"}
    assert [str(path) for path in places(more)][1:] == ["/c/containers/auth.json", "/d/config.json"]
    assert places({**more, "REGISTRY_AUTH_FILE": "/it"}) == (Path("/it"),)
    assert places({}) == ()


def test_the_first_file_that_knows_the_registry_counts(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".config" / "containers").mkdir(parents=True)
    (tmp_path / ".docker" / "config.json").write_text(
        json.dumps({"auths": {HOST: {"auth": ALICE}, "b.c": {"auth": BOB}}})
    )
    (tmp_path / ".config" / "containers" / "auth.json").write_text(json.dumps({"auths": {HOST: {"auth": BOB}}}))
    find = from_files({"HOME": str(tmp_path)})
    assert who(find(HOST, "x")) == "bob:builder"
    assert who(find("b.c", "x")) == "bob:builder"
    assert find("other.example.org", "x") is None


def test_a_named_file_counts_alone(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(json.dumps({"auths": {HOST: {"auth": ALICE}}}))
    assert from_files({"HOME": str(tmp_path), "REGISTRY_AUTH_FILE": str(tmp_path / "none")})(HOST, "x") is None


@pytest.mark.parametrize(
    ("key", "host"),
    [
        (HOST, HOST),
        (f"https://{HOST}", HOST),
        (f"https://{HOST}/v1/", HOST),
        (f"http://{HOST}/v2/", HOST),
        ("Registry.Example.ORG", HOST),
        ("localhost:5000", "localhost:5000"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("docker.io", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
    ],
)
def test_a_key_may_be_a_host_or_a_url(docker: Callable[[Any], Find], key: str, host: str) -> None:
    assert who(docker({"auths": {key: {"auth": ALICE}}})(host, "x")) == f"alice:{SECRET}"


@pytest.mark.parametrize("key", [f"{HOST}:5000", f"x.{HOST}", f"ftp://{HOST}", "", f"{HOST}/other", f"{HOST}/te"])
def test_another_key_does_not_count(docker: Callable[[Any], Find], key: str) -> None:
    assert docker({"auths": {key: {"auth": ALICE}}})(HOST, "team/app") is None


def test_the_longest_path_counts(docker: Callable[[Any], Find]) -> None:
    find = docker(
        {
            "auths": {
                HOST: {"auth": base64.b64encode(b"a:1").decode()},
                f"{HOST}/team": {"auth": base64.b64encode(b"b:2").decode()},
                f"{HOST}/team/app": {"auth": base64.b64encode(b"c:3").decode()},
            }
        }
    )
    names = ("team/app", "team/app/web", "team/apple", "team", "other")
    assert [who(find(HOST, name)) for name in names] == ["c:3", "c:3", "b:2", "b:2", "a:1"]


@pytest.mark.parametrize(
    ("entry", "kind", "expected"),
    [
        ({"auth": ALICE}, Kind.PASSWORD, f"alice:{SECRET}"),
        ({"auth": base64.b64encode(f"alice:{SECRET}\0\0".encode()).decode()}, Kind.PASSWORD, f"alice:{SECRET}"),
        ({"auth": base64.b64encode(b"alice:with:colon").decode()}, Kind.PASSWORD, "alice:with:colon"),
        ({"username": "alice", "password": SECRET}, Kind.PASSWORD, f"alice:{SECRET}"),
        ({"auth": ALICE, "identitytoken": "it"}, Kind.IDENTITY, ":it"),
        ({"registrytoken": "rt"}, Kind.BEARER, ":rt"),
    ],
)
def test_an_entry_is_read(docker: Callable[[Any], Find], entry: Any, kind: Kind, expected: str) -> None:
    found = docker({"auths": {HOST: entry}})(HOST, "x")
    assert (who(found), found.kind if found else None) == (expected, kind)


def test_an_empty_entry_says_nothing(docker: Callable[[Any], Find]) -> None:
    assert docker({"auths": {HOST: {}, f"https://{HOST}": {"auth": ALICE}}})(HOST, "x") is not None
    assert docker({"auths": {HOST: {}}})(HOST, "x") is None
    assert docker({"auths": [HOST]})(HOST, "x") is None
    assert docker({})(HOST, "x") is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("wonderland", "expected a JSON object"),
        ('["wonderland"]', "expected a JSON object"),
        pytest.param("[" * 100_000, "expected a JSON object", id="deep"),
        ({"auths": {HOST: {"auth": "wonderland!"}}}, "expected base64 of user:password as 'auth'"),
        ({"auths": {HOST: {"auth": "d29uZGVybGFuZA=="}}}, "expected base64 of user:password as 'auth'"),
        ({"auths": {HOST: {"auth": "gICAgA=="}}}, "expected base64 of user:password as 'auth'"),
        ({"auths": {HOST: {"registrytoken": "wonder\nland"}}}, "the token has characters that cannot be sent"),
        ({"auths": {HOST: {"username": "a:b", "password": SECRET}}}, "a user name with a colon cannot be sent"),
        ({"credHelpers": {HOST: "../evil"}}, "the name of a credential helper is not a word"),
        ({"credHelpers": {HOST: 7}}, "the name of a credential helper is not a word"),
        ({"credsStore": "a b"}, "the name of a credential helper is not a word"),
        ({"credsStore": "none"}, "docker-credential-none: expected a program of this name, got none"),
        pytest.param(" " * (1 << 20) + "{}", "expected at most 1048576 bytes, got more", id="long"),
    ],
)
def test_a_wrong_file_is_refused_and_not_repeated(
    docker: Callable[[Any], Find], tmp_path: Path, content: Any, expected: str
) -> None:
    with pytest.raises(CredentialsError) as caught:
        docker(content)(HOST, "x")
    assert expected in str(caught.value)
    assert str(tmp_path / ".docker" / "config.json") in str(caught.value)
    assert all(word not in str(caught.value) for word in (SECRET, "wonder\n", "d29uZGVy"))


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    (tmp_path / ".docker" / "config.json").mkdir(parents=True)
    with pytest.raises(CredentialsError, match=r"config.json: expected a file, got a directory"):
        from_files({"HOME": str(tmp_path)})(HOST, "x")


def test_a_helper_is_asked_for_the_host(docker: Callable[[Any], Find], tmp_path: Path) -> None:
    program(
        tmp_path,
        "vault",
        """[ "$1" = get ] && read host; echo "{\\"Username\\": \\"$host\\", \\"Secret\\": \\"s\\"}" """,
    )
    find = docker({"credHelpers": {HOST: "vault"}, "auths": {HOST: {"auth": ALICE}}})
    found = find(HOST, "x")
    assert (who(found), found.origin if found else "") == (f"{HOST}:s", "docker-credential-vault")
    assert find("other.example.org", "x") is None


def test_a_helper_of_all_registries_comes_last(docker: Callable[[Any], Find], tmp_path: Path) -> None:
    program(tmp_path, "all", 'read host; echo "{\\"Username\\": \\"u\\", \\"Secret\\": \\"$host\\"}"')
    find = docker({"credsStore": "all", "auths": {HOST: {"auth": ALICE}, "docker.io": {}}})
    assert who(find(HOST, "x")) == f"alice:{SECRET}"
    assert who(find("docker.io", "x")) == "u:https://index.docker.io/v1/"


def test_a_helper_may_give_an_identity_token(docker: Callable[[Any], Find], tmp_path: Path) -> None:
    program(tmp_path, "vault", """echo '{"Username": "<token>", "Secret": "it"}'""")
    found = docker({"credsStore": "vault"})(HOST, "x")
    assert found == Credentials("", "it", Kind.IDENTITY, origin="docker-credential-vault")


def test_a_helper_may_have_nothing(docker: Callable[[Any], Find], tmp_path: Path) -> None:
    program(tmp_path, "vault", "echo credentials not found in native keychain; exit 1")
    assert docker({"credsStore": "vault"})(HOST, "x") is None


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo wonderland; echo wonderland >&2; exit 3", f"expected credentials for {HOST}, got exit code 3"),
        ("echo wonderland", "expected a JSON object with Username and Secret"),
        ("""echo '{"Username": "wonderland"}'""", "expected a JSON object with Username and Secret"),
        ("""echo '{"Username": 7, "Secret": "wonderland"}'""", "expected a JSON object with Username and Secret"),
        ("""echo '["wonderland"]'""", "expected a JSON object with Username and Secret"),
    ],
)
def test_a_helper_that_fails_is_named_and_not_repeated(
    docker: Callable[[Any], Find], tmp_path: Path, script: str, expected: str
) -> None:
    program(tmp_path, "vault", script)
    with pytest.raises(CredentialsError) as caught:
        docker({"credsStore": "vault"})(HOST, "x")
    assert str(caught.value) == f"docker-credential-vault: {expected}"


def test_a_helper_that_cannot_be_run_is_named(docker: Callable[[Any], Find], tmp_path: Path) -> None:
    program(tmp_path, "vault", "")
    (tmp_path / "bin" / "docker-credential-vault").write_bytes(b"\0")
    with pytest.raises(CredentialsError, match="docker-credential-vault: expected credentials, got OSError"):
        docker({"credsStore": "vault"})(HOST, "x")


def test_a_helper_gets_the_environment_that_the_caller_gives(docker: Callable[[Any], Find], tmp_path: Path) -> None:
    program(tmp_path, "vault", """echo "{\\"Username\\": \\"${LEAK:-none}\\", \\"Secret\\": \\"s\\"}" """)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEAK", "leaked")
        assert who(docker({"credsStore": "vault"})(HOST, "x")) == "none:s"


def test_the_callers_credentials_are_for_one_registry() -> None:
    alice, bob = Credentials("alice", SECRET), Credentials("bob", "builder")

    def others(_host: str, _name: str) -> Credentials:
        return bob

    find = given("index.docker.io", alice, otherwise=others)
    assert (find("docker.io", "x"), find(HOST, "x")) == (alice, bob)
    assert given(HOST, alice)("docker.io", "x") is None


def test_credentials_do_not_show_their_secret() -> None:
    assert SECRET not in repr(Credentials("alice", SECRET))


def test_basic_is_what_rfc_7617_says() -> None:
    assert Credentials("Aladdin", "open sesame").basic == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert Credentials("test", "123£").basic == "Basic dGVzdDoxMjPCow=="
