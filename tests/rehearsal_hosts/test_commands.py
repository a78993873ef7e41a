# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pure parts: names, addresses, and the commands that would be run."""

from __future__ import annotations

import hashlib
import ipaddress
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rehearsal.hosts import access, base, guest, network
from rehearsal.hosts.errors import RehearsalError
from rehearsal.hosts.layout import Layout, Site
from rehearsal.hosts.spec import Host
from rehearsal.packages import flat

WISHED = ipaddress.IPv4Network("10.76.0.0/24")


def _hosts(*wishes: str) -> tuple[Host, ...]:
    return tuple(Host(f"h{number}", management=wish) for number, wish in enumerate(wishes))


def test_names_are_short_and_differ_between_sites() -> None:
    one, two = Layout("a-site-with-a-long-name"), Layout("demo")
    assert len(one.uplink) <= 15
    assert one.uplink != two.uplink
    assert one.host("mds1").identity("machine-id", 32) != two.host("mds1").identity("machine-id", 32)
    assert one.host("mds1").identity("hostid", 8) != one.host("mds2").identity("hostid", 8)
    assert len(one.host("a" * 63).machine_name) <= 64


@pytest.mark.parametrize("name", ["", "Demo", "a/b", "..", "x" * 25, "-a"])
def test_a_site_name_cannot_leave_its_directory(name: str) -> None:
    with pytest.raises(RehearsalError, match="cannot be the name of a site"):
        Layout(name)


def test_the_wished_management_network_is_taken_when_free() -> None:
    assert network.choose_subnet(WISHED, 8, []) == WISHED


def test_another_management_network_is_taken_when_the_wished_one_is_in_use() -> None:
    taken: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = [
        WISHED,
        ipaddress.IPv4Network("10.76.1.128/25"),
        ipaddress.IPv6Network("fd00::/64"),
    ]
    assert network.choose_subnet(WISHED, 8, taken) == ipaddress.IPv4Network("10.76.2.0/24")


def test_many_hosts_get_a_larger_network() -> None:
    assert network.choose_subnet(WISHED, 253, []).prefixlen == 24
    assert network.choose_subnet(WISHED, 254, []).prefixlen == 23


def test_no_free_network_is_a_sentence() -> None:
    with pytest.raises(RehearsalError, match="No free network for the management of 8 hosts is left"):
        network.choose_subnet(WISHED, 8, [ipaddress.IPv4Network("10.0.0.0/8")])


def test_addresses_keep_their_last_part_and_never_clash() -> None:
    subnet = ipaddress.IPv4Network("10.76.5.0/24")
    chosen = network.choose_addresses(subnet, _hosts("10.76.0.11", "", "10.76.0.11", "10.76.0.1", "10.76.0.2"))
    assert chosen == {
        "h0": "10.76.5.11",
        "h1": "10.76.5.3",
        "h2": "10.76.5.4",
        "h3": "10.76.5.5",  # .1 is the machine's own
        "h4": "10.76.5.2",
    }


def test_the_cables_of_a_host(site: Site) -> None:
    commands = network.plug_commands(site, site.host("a2"), "/proc/7/fd/9")
    assert [command.split(" address ")[0] for command in commands] == [
        "link add name p1.m type veth peer name eth-mgmt",
        "link set dev p1.m master br-mgmt up",
        "link add name p1.0 type veth peer name eth0",
        "link set dev p1.0 master br0 up",
        "link add name p1.1 type veth peer name eth1",
        "link set dev p1.1 master br1 up",
    ]
    assert all(command.endswith(" netns /proc/7/fd/9") for command in commands[::2])
    assert commands == network.plug_commands(site, site.host("a2"), "/proc/7/fd/9"), (
        "hardware addresses survive reboots"
    )


def test_the_addresses_of_a_host(site: Site) -> None:
    assert network.address_commands(site, site.host("a2")) == [
        "link set dev lo up",
        "link set dev eth-mgmt up",
        "address add 10.76.3.3/24 dev eth-mgmt",
        "link set dev eth0 up",
        "address add 10.77.0.12/24 dev eth0",
        "link set dev eth1 up",
        "address add 10.77.1.12/24 dev eth1",
        "address add fd77:1::12/64 dev eth1 nodad",
    ]


def test_only_one_interface_leaves_the_sites_namespace(site: Site) -> None:
    commands = network.bridge_commands(site, "/proc/7/fd/3")
    outside = [command for command in commands if "netns /proc/7/fd/3" in command]
    assert [command.split(" address ")[0] for command in outside] == [
        f"link add name uplink type veth peer name {site.layout.uplink}"
    ]
    assert network.uplink_commands(site)[0] == f"address add 10.76.3.1/24 dev {site.layout.uplink}"


def test_a_host_sees_its_own_devices_only(site: Site) -> None:
    argv = guest.nspawn_argv(site, site.host("a1"), "/proc/7/fd/9", ["/dev/loop4"])
    assert [word for word in argv if word.startswith("--bind=/dev/")] == ["--bind=/dev/fuse", "--bind=/dev/loop4"]
    assert "--network-namespace-path=/proc/7/fd/9" in argv
    assert "--drop-capability=CAP_SYS_TIME" in argv, "the clock is the machine's"
    assert f"--bind={site.layout.shared}:/var/lib/lustre-sim/site" in argv


def test_stable_paths_are_listed_for_the_first_process(site: Site) -> None:
    pairs = zip(site.spec.devices, ("/dev/loop4", "/dev/loop5"), strict=True)
    assert guest.device_links(pairs) == "loop4 disk/by-id/scsi-shared\nloop5 mapper/local\n"


def test_every_host_knows_every_name(site: Site) -> None:
    lines = guest.hosts_file(site, "a1").splitlines()
    assert lines[0] == "127.0.0.1 localhost"
    assert {"10.76.3.2 a1", "10.76.3.3 a2", "10.77.0.12 a2-tcp", "10.77.1.12 a2-tcp1", "fd77:1::12 a2-tcp1"} <= {*lines}


def test_the_inventory_is_yaml_and_complete(site: Site) -> None:
    variables = {host.name: access.variables_of(site, host.name) for host in site.spec.hosts}
    data = yaml.safe_load(access.as_yaml({"all": {"hosts": variables}}))
    assert data["all"]["hosts"]["a2"]["ansible_host"] == "10.76.3.3"
    assert data["all"]["hosts"]["a2"]["ansible_user"] == "root"
    assert data["all"]["hosts"]["a2"]["lustre_packages_version"] == "2.17.0", "a host's own variable wins"
    assert data["all"]["hosts"]["a1"]["lustre_packages_version"] == ""
    longest = site.layout.control_paths / ("x" * 10 + "." + "x" * 16)
    assert len(str(Layout("x" * 24).control_paths.relative_to(site.layout.top.parent))) + 80 < 108, longest


def test_a_plan_is_read_back_as_written(site: Site) -> None:
    site.layout.top.mkdir()
    site.save()
    assert Site.load(site.layout) == site
    with pytest.raises(RehearsalError, match="There is no rehearsal site named other"):
        Site.load(Layout("other"))
    with pytest.raises(RehearsalError, match=r"has no host b7\. Its hosts: a1, a2\."):
        site.host("b7")


def test_a_base_is_made_anew_when_its_recipe_changes() -> None:
    assert base.Recipe.of().key == base.Recipe.of().key
    assert base.Recipe.of(("corosync",)).key != base.Recipe.of().key
    assert base.Recipe.of(("systemd",)) == base.Recipe.of(), "a package named twice changes nothing"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("http://deb.debian.org/debian", "http://deb.debian.org/debian-security")),
        (
            "deb http://mirror.example/debian/ trixie main\ndeb http://mirror.example/debian-security trixie-security main",
            ("http://mirror.example/debian", "http://mirror.example/debian-security"),
        ),
        (
            "Types: deb\n# URIs: http://old.example/debian\nURIs: https://m.example/debian\nSuites: bookworm\n",
            ("https://m.example/debian", "https://m.example/debian-security"),
        ),
        (
            "deb [signed-by=/k.gpg] http://archive.ubuntu.com/ubuntu jammy main",
            ("http://deb.debian.org/debian", "http://deb.debian.org/debian-security"),
        ),
    ],
)
def test_the_machines_mirror_is_used(text: str, expected: tuple[str, str]) -> None:
    assert base.mirrors(text) == expected


def test_the_base_is_built_in_namespaces_of_its_own() -> None:
    argv = base.build_argv(
        base.Recipe.of(), Path("/c/root"), Path("/c/sources.list"), ['Acquire::http::Proxy "http://p:3"']
    )
    assert argv[:6] == ["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child"]
    assert '--aptopt=Acquire::http::Proxy "http://p:3"' in argv
    assert argv[-3:] == ["bookworm", "/c/root", "/c/sources.list"]


def test_what_roles_may_install_is_fetched_with_the_settings_that_built_the_base() -> None:
    argv = base.build_argv(base.Recipe.of(), Path("/c/root"), Path("/c/sources.list"), [])
    (hook,) = [word.partition("=")[2] for word in argv if word.startswith("--customize-hook=")]
    assert 'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"' in hook and "--download-only" in hook
    assert hook.endswith(" ".join(base.OFFERED)) and {"krb5-kdc", "keyutils"} <= set(base.OFFERED)
    assert base.FILES["etc/apt/sources.list"] == "deb [trusted=yes] file:/srv/debian-packages ./\n"


def test_a_repository_names_each_package_with_its_sum(tmp_path: Path) -> None:
    tree = tmp_path / "tree/DEBIAN"
    tree.mkdir(parents=True)
    (tree / "control").write_text("Package: x\nVersion: 1\nArchitecture: all\nMaintainer: m\nDescription: d\n")
    subprocess.run(["dpkg-deb", "-b", str(tree.parent), str(tmp_path / "x_1_all.deb")], check=True, capture_output=True)
    flat.index(tmp_path, "here")
    data = (tmp_path / "x_1_all.deb").read_bytes()
    text = (tmp_path / "Packages").read_text()
    assert "Package: x\n" in text and "Filename: ./x_1_all.deb\n" in text
    assert f"Size: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n" in text
    assert "Origin: here\n" in (tmp_path / "Release").read_text()
    (tmp_path / "y_1_all.deb").write_text("nonsense")
    with pytest.raises(flat.BuildError, match=r"dpkg-deb -f .*y_1_all\.deb. failed"):
        flat.index(tmp_path, "here")


def test_a_site_that_cannot_be_read_stands_in_no_others_way(site: Site) -> None:
    """Another release, or a disk that was full, left something that this one does not know."""
    for layout in (site.layout, Layout("other")):
        layout.top.mkdir(parents=True)
    site.save()
    Layout("other").plan_file.write_text(site.layout.plan_file.read_text().replace('"size"', '"later"', 1))
    command = [sys.executable, "-m", "rehearsal.hosts", "status"]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    shown = done.stdout.splitlines()
    assert shown[0].startswith("site other cannot be read: ") and "later: is not a key known here" in done.stdout
    assert "site unit (not running; clear it with `rehearse gc`)" in shown
    alone = subprocess.run([*command, "--site", "other"], cwd=root, capture_output=True, text=True, check=False)
    assert alone.returncode != 0 and "later: is not a key known here" in alone.stderr, "asked for, it is an error"
