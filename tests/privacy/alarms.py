"""Search packages of the Debian archive for secrets: findings are false alarms, or keys that everybody has.

`make alarms` fetches the packages below with their dependencies from the sources of this machine's APT, and those
of the command line, and prints what is found. It exits with 1 when something is.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from imgforge.privacy import scan
from imgforge.privacy.forms import Chained
from imgforge.tar import read

SETS = (
    "nginx",
    "apache2",
    "haproxy",
    "lighttpd",
    "varnish",
    "squid",
    "uwsgi",
    "gunicorn",
    "tomcat10",
    "postgresql",
    "mariadb-server",
    "redis-server",
    "memcached",
    "rabbitmq-server",
    "mosquitto",
    "prometheus",
    "exim4",
    "postfix",
    "dovecot-imapd",
    "bind9",
    "unbound",
    "dnsmasq",
    "openssh-server",
    "openvpn",
    "strongswan",
    "slapd",
    "krb5-kdc",
    "samba",
    "proftpd-basic",
    "vsftpd",
    "stunnel4 ssl-cert openssl gnutls-bin",
    "docker.io",
    "podman",
    "ansible",
    "python3-jwt python3-cryptography python3-requests python3-django python3-flask python3-paramiko python3-boto3",
    "python3-oauthlib python3-authlib python3-twisted python3-httplib2 python3-tornado python3-aiohttp python3-pip",
    "ruby puma rails",
    "nodejs npm",
    "git gnupg curl wget",
    "golang-go",
    "php php-fpm php-mysql php-curl composer phpunit",
    "perl libwww-perl libio-socket-ssl-perl libnet-ssleay-perl libmojolicious-perl",
    "default-jdk-headless maven",
    "r-base-core",
    "erlang-nox",
    "elixir",
    "lua5.4 luarocks",
    "ghc",
    "rustc",
    "mono-complete",
    "sbcl",
)
"""Servers and languages; each row is one installation."""


def fetch(sets: tuple[str, ...], directory: Path) -> None:
    """Download packages with all that they depend on, as if nothing was installed."""
    (directory / "partial").mkdir(parents=True, exist_ok=True)
    for packages in sets:
        command = ["apt-get", "--quiet=2", "--yes", "--no-install-recommends", "--download-only", "install"]
        options = ["Dir::State::status=/dev/null", "Debug::NoLocking=1", f"Dir::Cache::archives={directory}"]
        given = [part for option in (*options, "APT::Sandbox::User=root") for part in ("-o", option)]
        done = subprocess.run([*command, *given, *packages.split()], check=False)
        if done.returncode:
            print(f"not fetched: {packages}", file=sys.stderr)


def alarms(packages: list[Path]) -> Iterator[str]:
    """Yield what is found in unpacked packages, as people read it, with the hash by which it is known."""
    for path in packages:
        command = ["dpkg-deb", "--fsys-tarfile", str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as unpacking:
            assert unpacking.stdout is not None
            name = path.name.split("_")[0]
            searched = scan.layer(read(Chained(b"", cast("BinaryIO", unpacking.stdout)), what=name), name=name)
        yield from (f"{finding} [{finding.sha256}]" for finding in searched.findings)
        if unpacking.returncode:
            yield f"{name}: not searched: dpkg-deb failed with {unpacking.returncode}"


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", nargs="*", help="more packages, or files that end in .deb")
    parser.add_argument("--directory", type=Path, default=Path("/tmp/imgforge-alarms"))
    given = parser.parse_args()
    files = [Path(name) for name in given.packages if name.endswith(".deb")]
    if not files:
        fetch((*SETS, *given.packages), given.directory)
        files = sorted(given.directory.glob("*.deb"))
    count = 0
    for line in alarms(files):
        print(line, flush=True)
        count += 1
    print(f"{count} alarms in {len(files)} packages")
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main())
