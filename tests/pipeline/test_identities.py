"""Keys that scripts make at random: not in the image, and the build says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.worlds import World

from imgforge.report import Reporter

pytestmark = pytest.mark.root

RUNGS = ("root", "subids", "single", "chroot")

RANDOM = "head -c 64 /dev/urandom | md5sum"
SERVER = f"""
mkdir -p /etc/ssh /etc/ssl/private /etc/ssl/certs
for kind in rsa ed25519; do
    [ -e /etc/ssh/ssh_host_${{kind}}_key ] || {RANDOM} > /etc/ssh/ssh_host_${{kind}}_key
    {RANDOM} > /etc/ssh/ssh_host_${{kind}}_key.pub
done
{RANDOM} > /etc/ssl/private/ssl-cert-snakeoil.key
{RANDOM} > /etc/ssl/certs/ssl-cert-snakeoil.pem
ln -sf ssl-cert-snakeoil.pem /etc/ssl/certs/deadbeef.0
ln -sf other.pem /etc/ssl/certs/0badcafe.0
mkdir -p /var/lib/rabbitmq
{RANDOM} > /var/lib/rabbitmq/.erlang.cookie
"""
PG = "var/lib/postgresql/15/main/PG_VERSION"
CLUSTER = f"mkdir -p /var/lib/postgresql/15/main; {RANDOM} > /{PG}"


class Listener(Reporter):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warned(self, text: str) -> None:
        self.warnings.append(text)


@pytest.mark.parametrize("rung", RUNGS)
def test_keys_made_at_random_are_removed(world: World, place: Path, rung: str) -> None:
    world.package("server", files={"etc/ssh/sshd_config": b"Port 22\n"}, scripts={"postinst": SERVER})
    listener = Listener()
    here = world.with_settings(sandbox=rung).heard(listener)
    image = here.made(packages=["server"])
    first = here.layout.resolve("image").digest
    kept = sorted(path for path in image.paths if path.startswith(("etc/ssh/", "etc/ssl/certs/", "etc/ssl/private/")))
    assert kept == ["etc/ssh/sshd_config", "etc/ssl/certs/0badcafe.0"]
    assert "var/lib/rabbitmq/.erlang.cookie" not in image.paths
    assert [warning.split(",")[0] for warning in listener.warnings] == [
        "image: openssh-server: /etc/ssh/ssh_host_ed25519_key",
        "image: ssl-cert: /etc/ssl/private/ssl-cert-snakeoil.key",
        "image: rabbitmq-server: /var/lib/rabbitmq/.erlang.cookie: the password of an Erlang cluster",
    ]
    assert here.at(place / "again").build(locked=True).digest == first


def test_a_build_that_makes_nothing_says_it_again(world: World) -> None:
    world.package("server", scripts={"postinst": SERVER})
    world.made(packages=["server"])
    listener = Listener()
    world.heard(listener).build()
    assert len(listener.warnings) == 3


def test_keys_of_the_base_and_of_the_manifest_stay(world: World) -> None:
    (world.manifests / "key").write_text("mine\n")
    world.manifest("lower", files=[{"from": "key", "to": "/etc/ssh/ssh_host_rsa_key"}])
    world.build("lower")
    own = "chown daemon /etc/ssh/ssh_host_rsa_key; chmod 0400 /etc/ssh/ssh_host_rsa_key"
    world.package("server", scripts={"postinst": f"{SERVER}\n{own}"})
    image = world.made(base="lower", packages=["server"])
    assert image.text("etc/ssh/ssh_host_rsa_key") == "mine\n"
    assert "etc/ssh/ssh_host_ed25519_key" not in image.paths


def test_data_that_no_two_builds_have_is_named(world: World) -> None:
    world.package("cluster", scripts={"postinst": CLUSTER})
    listener = Listener()
    image = world.heard(listener).made(packages=["cluster"])
    assert PG in image.paths
    assert [warning.split(": no two builds")[0] for warning in listener.warnings] == [
        f"image: postgresql-common: /{PG}: a database cluster, with an identifier and times of its own"
    ]
