"""A table of hostile manifests, with what each is told."""

import pytest
from builders.golden import Golden

from imgforge import manifest
from imgforge.errors import ManifestError

pytestmark = pytest.mark.attack

HEAD = "imgforge: 1\nname: a\nbase: b\n"

PATH = "must be an absolute path without '.', '..' or '//', such as '/srv/app', got"
BELOW = "must be a path below the manifest's directory, without '.', '..' or '//', got"
UID = "must be a user id from 1 to 4294967294, got"

PORT = "must be a port such as 8080 or 8080/udp, got"
BASE = "must be 'scratch', the name of a manifest or image, or a reference such as 'oci:DIR:TAG', got"
NAME = (
    "must be an image's name such as 'hello-python' (lower case letters and digits, with single . _ or - between), got"
)
RELATION = "must be a relation such as '>= 20' (one of << <= = >= >>, then a version), got"
PRIORITY = "must be a priority from -32768 to 32767 that is not 0, got"
OWNER = "must be an account's name or id, got"
URI = "must be a URI such as 'https://mirrors.wikimedia.org/debian', got"
NO_SECRET = "(credentials belong into apt_auth.conf(5), not into a manifest)"
PLATFORM = "must be a platform such as 'linux/amd64', got"
TAG = "m.yaml:3:7: the tag '!!python/object/apply:os.system' is not understood: leave it out"

HOSTILE = {
    "nothing": ("", "m.yaml:1:1: is empty"),
    "text": ("hello", "m.yaml:1:1: must be a mapping, got text"),
    "no version": ("name: a", "m.yaml:1:1: the key 'imgforge' is missing: this format is 'imgforge: 1'"),
    "version 2": ("imgforge: 2\nfoo: 1", "m.yaml:1:11: imgforge: must be 1, the version of the format, got int 2"),
    "several documents": (HEAD + "---\n" + HEAD, "m.yaml:4:1: expected one document, a second one starts here"),
    "duplicate key": (HEAD + "name: c\n", "m.yaml:4:1: duplicate key 'name' (first on line 2)"),
    "merge key": (
        HEAD + "config: {<<: {user: a}}\n",
        "m.yaml:4:10: merge keys ('<<') are not supported: write the keys out",
    ),
    "number as key": (HEAD + "5: x\n", "m.yaml:4:1: a key must be text, got int 5: quote it"),
    "list as key": (HEAD + "[a]: x\n", "m.yaml:4:1: a key must be text, got a list"),
    "object tag": (
        "imgforge: 1\nname: a\nbase: !!python/object/apply:os.system [x]\n",
        f"m.yaml:3:7: base: {BASE} a list\n{TAG}",
    ),
    "billion laughs": (
        HEAD
        + "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{name}: &{name} [{','.join([f'*{last}'] * 9)}]\n"
            for last, name in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "m.yaml:8:23: expected at most 50000 values, aliases expanded, got more",
    ),
    "an alias of itself": (
        HEAD + "packages: &a [*a]\n",
        "m.yaml:4:15: the alias '*a' is inside its own anchor or before it",
    ),
    "deep": (
        HEAD + "packages: " + "[" * 100_000,
        "m.yaml:4:42: expected at most 32 levels of lists and mappings, got more",
    ),
    "10 MB": (HEAD + "#" * (10 << 20), "m.yaml:1:1: expected at most 1048576 characters, got 10485788"),
    "nul": (
        HEAD + "without: [a\0b]\n",
        "m.yaml:4:12: the character U+0000 is not allowed here (in a quoted text it may be an escape)",
    ),
    "escaped nul": (
        HEAD + 'config: {env: {A: "a\\0b"}}\n',
        "m.yaml:4:19: config.env.A: must be text, got '…' (it holds U+0000)",
    ),
    "tab": ("imgforge: 1\n\tname: a\n", "m.yaml:2:1: a tab is not allowed here: YAML indents with spaces"),
    "mark inside": (
        HEAD + "without: [\ufeffab]\n",
        "m.yaml:4:11: the character U+FEFF is not allowed here (in a quoted text it may be an escape)",
    ),
    "bidirectional control": (
        HEAD + "config: {user: a\u202e}\n",
        "m.yaml:4:17: the character U+202E is not allowed here (in a quoted text it may be an escape)",
    ),
    "terminal escape in a key": (
        HEAD + 'config: {env: {"\\e[2J": x}}\n',
        "m.yaml:4:16: config.env['\\x1b[2J']: must be the name of an environment variable, got '\\x1b[2J'",
    ),
    "unquoted mode": (
        HEAD + "files: [{dir: /d, mode: 0644}]\n",
        'm.yaml:4:25: files[0].mode: must be quoted octal text such as "0644", got int 0644',
    ),
    "decimal mode": (
        HEAD + 'files: [{dir: /d, mode: "0889"}]\n',
        "m.yaml:4:25: files[0].mode: must be quoted octal text such as \"0644\", got '0889'",
    ),
    "climbing path": (HEAD + "files: [{dir: /a/../b}]\n", f"m.yaml:4:15: files[0].dir: {PATH} '/a/../b'"),
    "dotted path": (HEAD + "files: [{dir: /a/./b}]\n", f"m.yaml:4:15: files[0].dir: {PATH} '/a/./b'"),
    "relative path": (HEAD + "files: [{dir: a}]\n", f"m.yaml:4:15: files[0].dir: {PATH} 'a'"),
    "doubled slash": (HEAD + "files: [{dir: //a}]\n", f"m.yaml:4:15: files[0].dir: {PATH} '//a'"),
    "slash at the end": (HEAD + "files: [{dir: /a/}]\n", f"m.yaml:4:15: files[0].dir: {PATH} '/a/'"),
    "newline in a path": (HEAD + 'files: [{dir: "/a\\nb"}]\n', f"m.yaml:4:15: files[0].dir: {PATH} '/a\\nb'"),
    "newline at a path's end": (HEAD + 'files: [{dir: "/a\\n"}]\n', f"m.yaml:4:15: files[0].dir: {PATH} '/a\\n'"),
    "mounted path": (
        HEAD + "files: [{dir: /proc/x}]\n",
        f"m.yaml:4:15: files[0].dir: {PATH} '/proc/x' (/proc is mounted when the image runs)",
    ),
    "long path": (
        HEAD + f"files: [{{dir: /{'a' * 256}}}]\n",
        f"m.yaml:4:15: files[0].dir: {PATH} '/{'a' * 59}'… (longer than Linux allows)",
    ),
    "climbing source": (
        HEAD + "files: [{from: a/../../x, to: /x}]\n",
        f"m.yaml:4:16: files[0].from: {BELOW} 'a/../../x'",
    ),
    "absolute source": (
        HEAD + "files: [{from: /etc/shadow, to: /x}]\n",
        f"m.yaml:4:16: files[0].from: {BELOW} '/etc/shadow'",
    ),
    "climbing key": (
        HEAD + "sources: {a: {suites: [x], components: [y], signed-by: ../k}}\n",
        f"m.yaml:4:56: sources.a.signed-by: {BELOW} '../k'",
    ),
    "climbing suite": (
        HEAD + "sources: {a: {suites: [../x], components: [y], signed-by: k}}\n",
        "m.yaml:4:24: sources.a.suites[0]: must be a suite such as 'bookworm-updates', got '../x'",
    ),
    "climbing glob": (
        HEAD + "exclude: [/usr/../*]\n",
        "m.yaml:4:11: exclude[0]: must be a pattern that starts with '/', such as '/usr/share/doc/*', got '/usr/../*'",
    ),
    "password in a uri": (
        HEAD + "sources: {a: {suites: [x/], signed-by: k, uris: ['https://u:p@mirrors.wikimedia.org/debian']}}\n",
        f"m.yaml:4:50: sources.a.uris[0]: {URI} 'https://…@mirrors.wikimedia.org/debian' {NO_SECRET}",
    ),
    "password in what should be a uri": (
        HEAD + "sources: {a: {suites: [x/], signed-by: k, uris: ['u:p@mirrors.wikimedia.org']}}\n",
        f"m.yaml:4:50: sources.a.uris[0]: {URI} 'mirrors.wikimedia.org'",
    ),
    "no suite": (
        HEAD + "sources: {a: {suites: [], components: [main], signed-by: k}}\n",
        "m.yaml:4:23: sources.a.suites: must name a suite",
    ),
    "uri without a host": (
        HEAD + "sources: {a: {suites: [x/], signed-by: k, uris: ['http:///x']}}\n",
        f"m.yaml:4:50: sources.a.uris[0]: {URI} 'http:///x' (expected a host after http://)",
    ),
    "uri with an impossible port": (
        HEAD + "sources: {a: {suites: [x/], signed-by: k, uris: ['http://x:99999/']}}\n",
        f"m.yaml:4:50: sources.a.uris[0]: {URI} 'http://x:99999/' (expected a port from 1 to 65535, got '99999')",
    ),
    "uri with a query": (
        HEAD + "sources: {a: {suites: [x/], signed-by: k, uris: ['http://x/?token=secret']}}\n",
        f"m.yaml:4:50: sources.a.uris[0]: {URI} 'http://x/?…' (a mirror has no query or fragment)",
    ),
    "root's uid": (HEAD + "accounts: {a: {uid: 0}}\n", f"m.yaml:4:21: accounts.a.uid: {UID} int 0"),
    "last uid": (HEAD + "accounts: {a: {uid: 4294967295}}\n", f"m.yaml:4:21: accounts.a.uid: {UID} int 4294967295"),
    "huge uid": (
        HEAD + f"accounts: {{a: {{uid: {'9' * 30}}}}}\n",
        f"m.yaml:4:21: accounts.a.uid: {UID} int {'9' * 30}",
    ),
    "reserved uid": (
        HEAD + "accounts: {a: {uid: 65535}}\n",
        f"m.yaml:4:21: accounts.a.uid: {UID} int 65535 (65535 is reserved: 16-bit programs read it as -1)",
    ),
    "nobody's uid": (
        HEAD + "accounts: {a: {uid: 65534}}\n",
        f"m.yaml:4:21: accounts.a.uid: {UID} int 65534 (65534 is nobody's)",
    ),
    "octal uid": (HEAD + "accounts: {a: {uid: 010}}\n", f"m.yaml:4:21: accounts.a.uid: {UID} int 010 (leading zeros)"),
    "uid twice": (
        HEAD + "accounts: {a: {uid: 5}, b: {uid: 5}}\n",
        "m.yaml:4:25: accounts.b: uid 5 is given twice (first on line 4)",
    ),
    "huge owner": (
        HEAD + "files: [{dir: /d, owner: 4294967295}]\n",
        f"m.yaml:4:26: files[0].owner: {OWNER} int 4294967295 (an id is at most 4294967294)",
    ),
    "account's name": (
        HEAD + "accounts: {'a:b': {uid: 5}}\n",
        "m.yaml:4:12: accounts['a:b']: must be an account's name such as 'app', got 'a:b'",
    ),
    "port 0": (
        HEAD + "config: {ports: [0]}\n",
        f"m.yaml:4:18: config.ports[0]: {PORT} int 0",
    ),
    "port 65536": (
        HEAD + "config: {ports: [65536]}\n",
        f"m.yaml:4:18: config.ports[0]: {PORT} int 65536 (a port is at most 65535)",
    ),
    "port twice": (
        HEAD + "config: {ports: [80, 80/tcp]}\n",
        "m.yaml:4:22: config.ports[1]: 80/tcp is given twice (first on line 4)",
    ),
    "signal": (
        HEAD + "config: {stop-signal: SIGTREM}\n",
        "m.yaml:4:23: config.stop-signal: must be a signal such as 'SIGTERM', got 'SIGTREM' (did you mean 'SIGTERM'?)",
    ),
    "platform": (
        HEAD + "platforms: [linux/amd46]\n",
        f"m.yaml:4:13: platforms[0]: {PLATFORM} 'linux/amd46' (did you mean 'linux/amd64'?)",
    ),
    "no platform": (HEAD + "platforms: []\n", "m.yaml:4:12: platforms: must name a platform"),
    "command as text": (
        HEAD + "config: {entrypoint: python3 -m hello}\n",
        "m.yaml:4:22: config.entrypoint: must be a list, got 'python3 -m hello'",
    ),
    "relation in a name": (
        HEAD + "packages: [gunicorn>=20]\n",
        "m.yaml:4:12: packages[0].name: must be a package's name such as 'python3-flask', got 'gunicorn>=20'",
    ),
    "version without operator": (
        HEAD + "packages: [{name: gunicorn, version: '20'}]\n",
        f"m.yaml:4:38: packages[0].version: {RELATION} '20'",
    ),
    "package twice": (
        HEAD + "packages: [aa, {name: aa}]\n",
        "m.yaml:4:16: packages[1]: 'aa' is given twice (first on line 4)",
    ),
    "package and without": (
        HEAD + "packages: [aa]\nwithout: [bb, aa]\n",
        "m.yaml:5:15: without[1]: 'aa' is asked for in 'packages'",
    ),
    "scratch without sources": (
        "imgforge: 1\nname: a\nbase: scratch\npackages: [apt]\n",
        "m.yaml:4:11: packages: need 'sources', because base is 'scratch'",
    ),
    "suite without components": (
        HEAD + "sources: {a: {suites: [x], signed-by: k}}\n",
        "m.yaml:4:23: sources.a.suites: need 'components'",
    ),
    "components of a flat archive": (
        HEAD + "sources: {a: {suites: [x/], components: [y], signed-by: k}}\n",
        "m.yaml:4:41: sources.a.components: must be left out: the suite 'x/' is a flat archive",
    ),
    "source without keys": (
        HEAD + "sources: {a: {suites: [x/]}}\n",
        "m.yaml:4:14: sources.a: the key 'signed-by' is missing",
    ),
    "two pins in one": (
        HEAD + "pins: [{packages: [a], release: x, version: y, priority: 1}]\n",
        "m.yaml:4:8: pins[0]: must have one of the keys 'release' or 'version', got 'release' and 'version'",
    ),
    "pin of priority 0": (
        HEAD + "pins: [{packages: [a], release: x, priority: 0}]\n",
        f"m.yaml:4:46: pins[0].priority: {PRIORITY} int 0 (0 is undefined)",
    ),
    "two kinds of file": (
        HEAD + "files: [{link: /x, dir: /y}]\n",
        "m.yaml:4:9: files[0]: must have one of the keys 'from', 'link' or 'dir', got 'link' and 'dir'",
    ),
    "ini value with a newline": (
        HEAD + 'edits: [{ini: /x, set: {a: "b\\nc"}}]\n',
        "m.yaml:4:28: edits[0].set.a: must be one line of text, got '…'",
    ),
    "ini section that ends early": (
        HEAD + "edits: [{ini: /x, section: 'a]', set: {a: b}}]\n",
        "m.yaml:4:28: edits[0].section: must be a section of an ini file, got 'a]'",
    ),
    "name with a slash": (
        "imgforge: 1\nname: ../a\nbase: b\n",
        f"m.yaml:2:7: name: {NAME} '../a'",
    ),
    "base with a blank": (
        "imgforge: 1\nname: a\nbase: 'oci:a b'\n",
        f"m.yaml:3:7: base: {BASE} 'oci:a b' (it contains a space or a character outside ASCII)",
    ),
    "unknown key": (HEAD + "pakages: []\n", "m.yaml:4:1: unknown key 'pakages' (did you mean 'packages'?)"),
    "commented out": (HEAD + "packages:\n#  - x\n", "m.yaml:4:10: packages: must be a list, got nothing"),
}


@pytest.mark.parametrize(("text", "expected"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_manifest_is_told_what_is_wrong(text: str, expected: str) -> None:
    assert told(text) == expected


def told(text: str) -> str:
    with pytest.raises(ManifestError) as caught:
        manifest.load(text, file="m.yaml")
    return str(caught.value)


def test_everything_wrong_is_reported_at_once(golden_file: Golden) -> None:
    text = (golden_file.directory / "manifest" / "everything-wrong.yaml").read_text(encoding="utf-8")
    golden_file.check("manifest/everything-wrong.txt", told(text) + "\n")
