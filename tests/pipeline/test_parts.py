"""What a manifest says beside its packages, as whole builds have it: filters, accounts, edits, alternatives, state."""

from __future__ import annotations

import pytest
from builders.debs import build_deb
from builders.worlds import World

from imgforge.errors import BuildError, ManifestError, ResolveError
from imgforge.tree import Entry, Kind

pytestmark = pytest.mark.root

EXECUTABLE = Entry("", Kind.FILE, mode=0o755)


def test_excluded_paths_stay_out_but_those_that_are_included_again(world: World) -> None:
    doc = "usr/share/doc/talkative"
    files = {f"{doc}/README": b"r", f"{doc}/copyright": b"c", f"{doc}/more/deep": b"d", "usr/bin/talkative": b"x"}
    world.package("talkative", files=files)
    image = world.made(packages=["talkative"], exclude=["/usr/share/doc/*"], include=["/usr/share/doc/*/copyright"])
    found = {path for path in image.paths if "talkative" in path and path.startswith("usr/")}
    # As dpkg does, a directory stays where a path that is included again could lie below it.
    assert found == {doc, f"{doc}/copyright", f"{doc}/more", "usr/bin/talkative"}
    listed = image.text("var/lib/dpkg/info/talkative.md5sums")
    assert f"{doc}/README" not in listed
    assert f"{doc}/copyright" in listed
    rules = image.text("etc/dpkg/dpkg.cfg.d/imgforge")
    assert rules == "path-exclude=/usr/share/doc/*\npath-include=/usr/share/doc/*/copyright\n"


def test_filters_of_a_base_hold_above_it(world: World) -> None:
    world.package("talkative", files={"usr/share/doc/talkative/README": b"r", "usr/bin/talkative": b"x"})
    world.manifest("quiet", exclude=["/usr/share/doc/*"], files=[{"dir": "/srv"}])
    image = world.made(base="quiet", packages=["talkative"])
    assert image.line("usr/share/doc/talkative/README") == ""
    assert image.line("usr/bin/talkative")


def test_without_takes_the_other_alternative(world: World) -> None:
    world.offer(*(build_deb(name, "1.0", architecture="all") for name in ("first", "second")))
    world.package("either", depends="first | second")
    assert "Package: first\n" in world.made(packages=["either"]).text("var/lib/dpkg/status")
    image = world.made(packages=["either"], without=["first"])
    assert "Package: first\n" not in image.text("var/lib/dpkg/status")
    assert "Package: second\n" in image.text("var/lib/dpkg/status")


def test_without_says_who_insists(world: World) -> None:
    world.package("needed")
    world.package("insistent", depends="needed")
    world.manifest(packages=["insistent"], without=["needed"])
    with pytest.raises(ResolveError, match=r"insistent.*needed"):
        world.build()


def test_an_alternative_is_the_one_that_the_manifest_chooses(world: World) -> None:
    install = "update-alternatives --install /usr/bin/editor editor /usr/bin/{name} {priority}"
    for name, priority in (("good-editor", 50), ("poor-editor", 10)):
        scripts = {"postinst": install.format(name=name, priority=priority)}
        world.package(name, files={f"usr/bin/{name}": (EXECUTABLE, b"x")}, scripts=scripts)
    packages = ["good-editor", "poor-editor"]
    assert world.made(packages=packages).line("etc/alternatives/editor").endswith("-> /usr/bin/good-editor")
    image = world.made(packages=packages, alternatives={"editor": "/usr/bin/poor-editor"})
    assert image.line("etc/alternatives/editor").endswith("-> /usr/bin/poor-editor")
    assert image.text("var/lib/dpkg/alternatives/editor").startswith("manual\n")


def test_an_alternative_that_is_not_there_is_an_error(world: World) -> None:
    world.package("plain")
    world.manifest(packages=["plain"], alternatives={"editor": "/usr/bin/none"})
    with pytest.raises(BuildError, match="alternative editor"):
        world.build()


def test_accounts_are_in_all_four_files_and_own_what_is_copied(world: World) -> None:
    image = world.made(
        accounts={"app": {"uid": 900, "gid": 901, "home": "/srv/app", "shell": "/bin/sh", "groups": ["staff"]}},
        files=[{"dir": "/srv/app", "owner": "app"}],
    )
    assert "app:x:900:901::/srv/app:/bin/sh\n" in image.text("etc/passwd")
    assert "app:x:901:\n" in image.text("etc/group")
    assert "staff:x:50:app\n" in image.text("etc/group")
    assert "\napp:!:" in image.text("etc/shadow")
    assert "\napp:!::\n" in image.text("etc/gshadow")
    assert image.line("etc/shadow").startswith("file 0640 0:4 ")
    assert image.line("srv/app") == "dir 0755 900:901"


@pytest.mark.parametrize(
    ("account", "says"),
    [
        ({"app": {"uid": 33}}, "uid 33 of 'app' belongs to 'www-data'"),
        ({"www-data": {"uid": 900}}, "'www-data' is there with gid 33"),
        ({"app": {"uid": 900, "groups": ["no-such"]}}, "group 'no-such': the image has none"),
    ],
)
def test_an_account_that_does_not_fit_the_image_is_refused_with_its_place(
    world: World, account: dict[str, object], says: str
) -> None:
    world.manifest(accounts=account)
    with pytest.raises(ManifestError, match=rf"image\.yaml:\d+:\d+: .*{says}"):
        world.build()


def test_edits_change_what_they_name_and_nothing_else(world: World) -> None:
    ini = "; a comment\n[PHP]\nmemory_limit = 128M ; old\n;opcache=1\n[Other]\nmemory_limit = 1M\n"
    files = {"etc/app.ini": (Entry("", Kind.FILE, mode=0o640), ini.encode()), "etc/hosts.allow": b"# hosts"}
    world.package("app", files=files, conffiles=("/etc/app.ini",))
    image = world.made(
        packages=["app"],
        edits=[
            {"ini": "/etc/app.ini", "section": "PHP", "set": {"memory_limit": "256M", "new": "1"}},
            {"append": "/etc/hosts.allow", "text": "ALL: LOCAL\n"},
            {"append": "/etc/made", "text": "new\n"},
        ],
    )
    text = image.text("etc/app.ini")
    php, _, other = text.partition("[Other]")
    assert "256M" in php
    assert "new" in php
    assert "; a comment\n" in php
    assert other == "\nmemory_limit = 1M\n"
    assert image.line("etc/app.ini").startswith("file 0640 0:0 ")
    assert image.text("etc/hosts.allow").endswith("ALL: LOCAL\n")
    assert image.text("etc/made") == "new\n"


def test_a_link_of_the_image_leads_an_edit_inside_it(world: World) -> None:
    link = Entry("", Kind.SYMLINK, mode=0o777, target="/etc/real")
    world.package("linked", files={"etc/real": b"one\n", "etc/link": link})
    image = world.made(packages=["linked"], edits=[{"append": "/etc/link", "text": "two\n"}])
    assert image.text("etc/real") == "one\ntwo\n"
    assert image.line("etc/link").endswith("-> /etc/real")


def test_a_preinst_finds_its_control_templates_and_config_beside_itself(world: World) -> None:
    script = 'cd "${0%/*}"; mkdir -p /var/lib/told; pwd > /var/lib/told/place; cp * /var/lib/told/'
    templates = "Template: asking/word\nType: string\nDescription: a word\n"
    controls = {"templates": templates, "config": "#!/bin/sh\nexit 0\n"}
    world.package("asking", scripts={"preinst": script}, control_files=controls)
    image = world.made(packages=["asking"])
    assert image.text("var/lib/told/place") == "/var/lib/dpkg/tmp.ci\n"
    assert "Package: asking\n" in image.text("var/lib/told/control")
    assert image.text("var/lib/told/templates") == templates
    assert image.line("var/lib/told/config").startswith("file 0755 ")
    assert image.line("var/lib/dpkg/tmp.ci") == ""


def test_links_and_owned_empty_files_among_logs_are_kept_and_logs_are_not(world: World) -> None:
    script = """
        echo today > /var/log/made.log; ln -s /dev/stdout /var/log/access.log; ln -s /dev/stderr /var/log/error.log
        mkdir /var/log/app; ln -s ../made.log /var/log/app/link; echo x > /var/log/app/text
        : > /var/log/wtmp; chgrp adm /var/log/wtmp; chmod 664 /var/log/wtmp
    """
    world.package("logger", scripts={"postinst": script})
    image = world.made(packages=["logger"])
    logs = {path: line.partition(" @")[0] for path, line in image.tree().items() if path.startswith("var/log/")}
    assert logs == {
        "var/log/access.log": "symlink 0777 0:0 -> /dev/stdout",
        "var/log/app": "dir 0755 0:0",
        "var/log/app/link": "symlink 0777 0:0 -> ../made.log",
        "var/log/error.log": "symlink 0777 0:0 -> /dev/stderr",
        "var/log/wtmp": "file 0664 0:4 e3b0c442",
    }


def test_what_nobody_asked_for_is_marked_with_the_images_architecture(world: World) -> None:
    architecture = world.image("ground").text("var/lib/dpkg/arch").strip() if world.layout.names() else "amd64"
    world.package("of-all", architecture="all")
    world.package("of-machine", architecture=architecture)
    world.package("asked", depends="of-all, of-machine")
    image = world.made(packages=["asked"])
    assert image.text("var/lib/apt/extended_states") == "".join(
        f"Package: {name}\nArchitecture: {architecture}\nAuto-Installed: 1\n\n" for name in ("of-all", "of-machine")
    )


def test_a_package_without_md5sums_gets_a_list_as_from_dpkg(world: World) -> None:
    for name, files, conffiles in (
        ("only-directory", {"usr/share/only": Entry("", Kind.DIRECTORY, mode=0o755)}, ()),
        ("only-conffile", {"etc/only": b"x"}, ("/etc/only",)),
        ("with-file", {"usr/share/with": b"x"}, ()),
    ):
        world.package(name, files=files, conffiles=conffiles, control_files={"md5sums": ""})
    image = world.made(packages=["only-directory", "only-conffile", "with-file"])
    lists = {name: image.text(f"var/lib/dpkg/info/{name}.md5sums") for name in ("only-directory", "only-conffile")}
    assert lists == {"only-directory": "", "only-conffile": ""}
    assert image.text("var/lib/dpkg/info/with-file.md5sums") == "9dd4e461268c8034f5c8564e155c67a6  usr/share/with\n"
