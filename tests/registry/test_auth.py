"""Tokens are bought for what is done, kept while they are good, and bought anew when they are not."""

from __future__ import annotations

import contextlib
import json
import logging
import time
import urllib.error
import urllib.request
from typing import Any

import pytest
from builders import proxies, tokens
from builders.proxies import Fault
from builders.pushes import QUICK, Place, check_pulled, push
from builders.registries import PASSWORD, USER
from builders.simulator.registry import Simulator
from builders.tokens import TokenServer

from imgforge.errors import FetchError, ImgforgeError
from imgforge.fetch.request import RefusedError
from imgforge.registry import pull
from imgforge.registry.answer import DeniedError
from imgforge.registry.client import Call, Client
from imgforge.registry.credentials import Credentials, Kind, anonymous, given
from imgforge.registry.repository import Repository


def asked_for(token_server: TokenServer) -> list[tuple[str, ...]]:
    return [scopes for _method, scopes in token_server.asked]


def ask(host: str, credentials: Credentials | None = None) -> None:
    find = given(host, credentials) if credentials else anonymous
    with Client(credentials=find, patience=QUICK) as client:
        pull.find(client, Repository(host, "here"), tag="v1")


def test_one_token_is_bought_for_a_push_and_one_for_a_pull(
    token_registry: Place, token_server: TokenServer, name: str
) -> None:
    with token_registry.client() as client:
        push(client, token_registry.at(name))
        check_pulled(client, token_registry.at(name))
    assert asked_for(token_server) == [(f"repository:{name}:pull,push",), (f"repository:{name}:pull",)]


def test_a_mount_is_asked_for_with_both_repositories(
    token_registry: Place, token_server: TokenServer, name: str
) -> None:
    with token_registry.client() as client:
        push(client, token_registry.at(f"{name}/a"))
        token_server.asked.clear()
        push(client, token_registry.at(f"{name}/b"))
    assert (f"repository:{name}/a:pull", f"repository:{name}/b:pull,push") in asked_for(token_server)


def test_anybody_may_pull_what_is_public(token_registry: Place, token_server: TokenServer, name: str) -> None:
    with token_registry.client() as client:
        push(client, token_registry.at(f"public/{name}"))
    with Client(patience=QUICK) as client:
        check_pulled(client, token_registry.at(f"public/{name}"))


def test_an_expired_token_is_bought_anew_in_the_middle_of_a_push(
    token_registry: Place, token_server: TokenServer, name: str
) -> None:
    with proxies.serve(token_registry.host) as proxy:
        proxy.challenge = f'Bearer realm="{token_server.realm}",service="{tokens.SERVICE}"'
        proxy.plan = lambda method, _path, count: Fault.EXPIRE if method == "PUT" and count == 0 else None
        find = given(proxy.host, Credentials(USER, PASSWORD))
        with Client(credentials=find, patience=QUICK) as client:
            push(client, Place(proxy.host).at(name))
            check_pulled(client, Place(proxy.host).at(name))
        assert proxy.happened[Fault.EXPIRE] >= 3
        assert len(token_server.asked) > 2


def test_a_token_that_the_registry_finds_too_old_is_bought_anew(
    token_registry: Place, token_server: TokenServer, name: str
) -> None:
    token_server.lifetime = -58  # docker-registry lets a token live a minute longer than it says
    with token_registry.client() as client:
        push(client, token_registry.at(name))
        token_server.asked.clear()
        _wait_until_refused(token_registry, token_server.issued[-1], name)
        push(client, token_registry.at(name))
    assert len(token_server.asked) >= 1


def _wait_until_refused(registry: Place, token: str, name: str) -> None:
    """Ask a registry with a token until it answers 401."""
    request = urllib.request.Request(f"http://{registry.host}/v2/{name}/tags/list")
    request.add_header("Authorization", f"Bearer {token}")
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request, timeout=5):
            time.sleep(0.1)
            continue
        return
    raise AssertionError("the registry never refused the token")


@pytest.mark.parametrize(("lifetime", "margin"), [(300, 10), (60, 10), (50, 10), (20, 4), (1, 0.2)])
def test_a_token_is_not_used_to_its_last_moment(
    token_registry: Place, token_server: TokenServer, name: str, lifetime: float, margin: float
) -> None:
    token_server.said_lifetime = lifetime
    now = 1000.0
    with token_registry.client(clock=lambda: now) as client:
        push(client, token_registry.at(name))
        token_server.asked.clear()
        now += lifetime - margin - 0.01
        push(client, token_registry.at(name))
        assert token_server.asked == []
        now += 0.02
        push(client, token_registry.at(name))
    assert (f"repository:{name}:pull,push",) in asked_for(token_server)


def test_tokens_that_are_never_good_are_given_up(token_registry: Place, token_server: TokenServer, name: str) -> None:
    token_server.lifetime = -3600
    with token_registry.client() as client, pytest.raises(DeniedError, match=r"denied \(HTTP 401\)"):
        push(client, token_registry.at(name))
    assert len(token_server.asked) <= 3


def test_a_wrong_password_is_told(token_registry: Place, token_server: TokenServer, name: str) -> None:
    wrong = given(token_registry.host, Credentials(USER, "queen of hearts", origin="/etc/somewhere"))
    with Client(credentials=wrong, patience=QUICK) as client, pytest.raises(DeniedError) as caught:
        push(client, token_registry.at(name))
    assert str(caught.value) == (
        f"{token_registry.host}: token of {token_server.realm[7:-6]}: denied (HTTP 401, UNAUTHORIZED)"
    )
    assert caught.value.__notes__ == ["asked with the password of /etc/somewhere"]
    assert len(token_server.asked) == 1


def test_an_identity_token_buys_others(token_registry: Place, token_server: TokenServer, name: str) -> None:
    find = given(token_registry.host, Credentials("", tokens.IDENTITY, Kind.IDENTITY))
    with Client(credentials=find, patience=QUICK) as client:
        push(client, token_registry.at(name))
    assert token_server.asked[0] == ("POST", (f"repository:{name}:pull,push",))


def test_a_registrys_token_is_sent_as_it_is(token_registry: Place, token_server: TokenServer, name: str) -> None:
    access = token_server.access((f"repository:{name}:pull,push",), user=USER)
    token = Credentials("", token_server.sign(access, user=USER), Kind.BEARER)
    with Client(credentials=given(token_registry.host, token), patience=QUICK) as client:
        push(client, token_registry.at(name))
    assert token_server.asked == []


def test_a_token_server_that_fails_is_asked_again(token_registry: Place, token_server: TokenServer, name: str) -> None:
    token_server.faults[:] = [500, 429, 503]
    with token_registry.client() as client:
        push(client, token_registry.at(name))
    assert len(token_server.asked) == 4


def test_a_token_server_that_keeps_failing_is_given_up(
    token_registry: Place, token_server: TokenServer, name: str
) -> None:
    token_server.faults[:] = [500] * 50
    with token_registry.client() as client, pytest.raises(FetchError, match=r"HTTP 500 \(tried 4 times\)"):
        pull.find(client, token_registry.at(name), tag="v1")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "expected a JSON object with a token"),
        (b"[]", "expected a JSON object with a token"),
        (b'{"token": 7}', "expected a JSON object with a token"),
        (b'{"token": "a b"}', "expected a JSON object with a token"),
        (b'{"token": "a\\r\\nX-Injected: 1"}', "expected a JSON object with a token"),
        pytest.param(b" " * (1 << 19), "expected at most 262144 bytes, got more", id="long"),
        pytest.param(b"[" * 200_000, "expected a JSON object with a token", id="deep"),
    ],
)
def test_an_odd_token_is_refused(conforming_registry: Simulator, body: bytes, expected: str) -> None:
    conforming_registry.challenge = f'Bearer realm="http://{conforming_registry.host}/v2/token"'
    conforming_registry.answers["/token"] = [(200, {}, body)] * 5
    with pytest.raises(RefusedError, match=expected):
        ask(conforming_registry.host)


def test_the_other_name_of_a_token_is_known(conforming_registry: Simulator) -> None:
    conforming_registry.challenge = f'Bearer realm="http://{conforming_registry.host}/v2/token?a=b",service="x y"'
    said = json.dumps({"access_token": "abc", "expires_in": "soon"}).encode()
    conforming_registry.answers["/token"] = [(200, {}, said)]
    ask(conforming_registry.host)
    paths = [asked.path for asked in conforming_registry.asked]
    assert "/v2/token?a=b&service=x+y&scope=repository%3Ahere%3Apull" in paths
    assert conforming_registry.asked[-1].headers["Authorization"] == "Bearer abc"


@pytest.mark.parametrize(
    "wanted", ["registry:catalog:*", "repository:here:pull,push,delete", "repository:secrets:pull", "repository:*:*"]
)
@pytest.mark.parametrize("error", ["", ',error="insufficient_scope"', ',error="invalid_token"'])
def test_no_scope_is_bought_beyond_what_is_done(conforming_registry: Simulator, wanted: str, error: str) -> None:
    realm = f"http://{conforming_registry.host}/v2/token"
    conforming_registry.challenge = f'Bearer realm="{realm}",scope="{wanted}"{error}'
    conforming_registry.answers["/token"] = [(200, {}, b'{"token": "abc"}')]
    ask(conforming_registry.host)
    asked = [asked.path.partition("&")[2] for asked in conforming_registry.asked if "/token" in asked.path]
    assert asked == ["scope=repository%3Ahere%3Apull"]


@pytest.mark.parametrize(
    "realm",
    [
        *("http://auth.example.org/token", "ftp://127.0.0.1/", "file:///etc/passwd", "//x", ":", "http://[::1"),
        *(
            "https://a@auth.example.org/",
            "https:/x",
            "https://a\\\\@b",
            "https://x:99999/",
            "https://[fe80::1%25eth0]/",
        ),
    ],
)
def test_secrets_go_to_no_token_server_without_tls(conforming_registry: Simulator, realm: str) -> None:
    conforming_registry.challenge = f'Bearer realm="{realm}"'
    with pytest.raises(RefusedError, match="token server"):
        ask(conforming_registry.host, Credentials(USER, PASSWORD))


def test_a_registry_that_does_not_say_what_it_wants_is_refused(conforming_registry: Simulator) -> None:
    conforming_registry.challenge = "Digest realm=x"
    with pytest.raises(DeniedError):
        ask(conforming_registry.host, Credentials(USER, PASSWORD))
    assert all("Authorization" not in asked.headers for asked in conforming_registry.asked)


def test_no_password_is_sent_to_a_registry_that_asks_for_none(conforming_registry: Simulator) -> None:
    ask(conforming_registry.host, Credentials(USER, PASSWORD))
    assert all("Authorization" not in asked.headers for asked in conforming_registry.asked)


def test_a_password_registry_gets_no_token(conforming_registry: Simulator) -> None:
    conforming_registry.challenge = "Basic realm=x"
    with pytest.raises(DeniedError):
        ask(conforming_registry.host, Credentials("", "token", Kind.IDENTITY))
    assert all("Authorization" not in asked.headers for asked in conforming_registry.asked)


def test_nothing_that_is_logged_or_raised_has_a_secret(
    token_registry: Place,
    password_registry: Place,
    token_server: TokenServer,
    conforming_registry: Simulator,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    alice = Credentials(USER, PASSWORD)
    said: list[str] = []
    for place in (token_registry, password_registry):
        with place.client() as client:
            push(client, place.at(name))
    said += _failures(conforming_registry, alice)
    secrets = [PASSWORD, alice.basic.removeprefix("Basic "), *token_server.issued]
    assert len(token_server.issued) >= 1
    text = "\n".join([*said, caplog.text])
    assert [secret for secret in secrets if secret in text] == []


def _failures(registry: Simulator, alice: Credentials) -> list[str]:
    """Return what is raised for a registry that repeats what it is told."""
    echo = json.dumps({"errors": [{"code": alice.basic, "message": f"not {PASSWORD}", "detail": alice.basic}]}).encode()
    registry.challenge = "Basic realm=x"
    said = []
    for status in (400, 401, 403, 404, 418, 429, 500):
        headers: dict[str, Any] = {"Retry_After": "99999", "WWW_Authenticate": f'Basic realm="{PASSWORD}"'}
        registry.answers["/here/tags"] = [(status, headers, echo)] * 9
        with Client(credentials=given(registry.host, alice), patience=QUICK) as client:
            try:
                client.ask(_tags(registry.host))
            except ImgforgeError as error:
                said += [str(error), repr(error), *getattr(error, "__notes__", ())]
    assert len(said) >= 14
    return said


def _tags(host: str) -> Call:
    return Call("GET", Repository(host, "here"), "tags/list", "it")
