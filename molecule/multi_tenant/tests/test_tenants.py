# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each tenant sees, may do, and cannot get at, looked at without Ansible's help.

The administrator's node sees the file system as it is: ids and names there are those that are stored.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from testinfra.host import Host
from testinfra.utils.ansible_runner import AnsibleRunner

HOSTS = ["admin1", "bio1", "chem1", "phys1", "server1"]
TENANTS = {"bio1": "bio", "chem1": "chem", "phys1": "phys"}
MGS = "10.77.0.11@tcp"
#: What a client could ask for that is not its own. Each ``{}`` is a tenant's name.
ATTEMPTS = (
    "/mol",
    "/mol/",
    "/mol/tenants",
    "/mol/tenants/{other}",
    "/mol/tenants/{own}/../{other}",
    "/mol/../tenants/{other}",
    "/mol/..",
    "/mol/../..",
    "/mol/tenants/{own}/..",
    "/mol/./tenants/{other}",
    "/mol//tenants//{other}",
    "/mol/{other}",
)
REFUSED = (1, 2, 5, 13, 22, 32)
#: Tests are in the order of the file: each finds what the one before it left.
testinfra_hosts = ["ansible://lustre_all"]


def at(name: str) -> Host:
    return AnsibleRunner().get_host(name)


def as_user(number: int, command: str) -> str:
    return f"setpriv --reuid={number} --regid={number} --clear-groups sh -c '{command}'"


def clients(host: Host) -> list[str]:
    """Where file systems are mounted, with doubles."""
    table = [line.split() for line in host.check_output("cat /proc/self/mounts").splitlines()]
    return [path for source, path, kind, *_rest in table if kind.endswith("lustre") and ":/" in source]


@pytest.fixture(scope="module")
def admin() -> Host:
    return at("admin1")


@pytest.fixture
def name(host: Host) -> str:
    return str(host.backend.host)


@pytest.fixture(scope="module", autouse=True)
def marked(admin: Host) -> None:
    """Each place has a file that says whose it is."""
    admin.check_output("touch /mnt/mol/of-admin /mnt/mol/tenants/of-nobody")
    for tenant in TENANTS.values():
        admin.check_output(f"echo {tenant} > /mnt/mol/tenants/{tenant}/of-{tenant}")


def test_all_hosts_are_looked_at() -> None:
    """A scenario that sees no host would verify nothing."""
    assert sorted(AnsibleRunner().get_hosts("lustre_all")) == HOSTS


def test_nodemaps_are_in_force() -> None:
    server = at("server1")
    assert server.check_output("lctl get_param -n nodemap.active") == "1"
    for host, tenant in {**TENANTS, "server1": "servers", "admin1": "admins"}.items():
        nid = at(host).check_output("lctl list_nids")
        assert server.check_output(f"lctl nodemap_test_nid {nid}") == tenant
    assert server.check_output("lctl nodemap_test_nid 10.77.0.99@tcp") == "default"
    assert server.check_output("lctl get_param -n nodemap.default.deny_mount") == "1"


def test_the_administrator_sees_all(admin: Host) -> None:
    assert set(admin.check_output("ls /mnt/mol").split()) >= {"of-admin", "tenants"}
    assert set(admin.check_output("ls /mnt/mol/tenants").split()) == {*TENANTS.values(), "of-nobody"}
    owners = admin.check_output("cd /mnt/mol/tenants && stat -c '%n %u %g %a' bio chem phys").splitlines()
    assert owners == ["bio 1000000 1000000 770", "chem 1500 1500 770", "phys 2000000 2000000 770"]
    assert admin.check_output("lfs project -d /mnt/mol/tenants/bio").split()[:2] == ["1001", "P"]


def test_a_host_has_the_mounts_that_are_its_own(host: Host, name: str) -> None:
    assert clients(host) == {"server1": [], "admin1": ["/mnt/mol"]}.get(name, [f"/mnt/{TENANTS.get(name)}"])


def test_a_tenant_sees_its_directory_and_nothing_above_it(host: Host, name: str) -> None:
    if name not in TENANTS:
        assert not any(host.file(f"/mnt/{tenant}").is_directory for tenant in TENANTS.values())
        return
    path = f"/mnt/{TENANTS[name]}"
    user = {"bio1": 0, "chem1": 500, "phys1": 0}[name]
    own = {f"of-{TENANTS[name]}", *(["vault"] if name == "bio1" else [])}
    assert set(host.check_output(as_user(user, f"ls -A {path}")).split()) == own


def test_no_path_leads_a_tenant_to_another(host: Host, name: str) -> None:
    if name not in TENANTS:
        return
    own, seen = TENANTS[name], []
    others = [tenant for tenant in TENANTS.values() if tenant != own]
    user = 500 if own == "chem" else 0
    host.check_output("mkdir -p /run/tried")
    for source in dict.fromkeys(form.format(own=own, other=other) for form in ATTEMPTS for other in others):
        tried = host.run(f"timeout 60 mount -t lustre {MGS}:{source} /run/tried")
        if tried.rc:
            assert tried.rc in REFUSED and tried.stderr, (source, tried.rc, tried.stderr)
            continue
        try:
            listed = host.run(as_user(user, "ls -A /run/tried"))
        finally:
            host.check_output("umount /run/tried")
        assert set(listed.stdout.split()) - {"vault"} == {f"of-{own}"}, (source, listed.stdout, listed.stderr)
        seen.append(source)
    host.check_output("rmdir /run/tried")
    assert "/mol" in seen, "the whole file system is the tenant's directory, or the attempts prove nothing"
    assert clients(host) == [f"/mnt/{own}"]


def test_a_tenant_that_may_encrypts_below_its_mount(admin: Host) -> None:
    bio = at("bio1")
    assert bio.check_output("systemctl is-enabled lustre-unlock@mnt-bio-vault.service") == "enabled"
    bio.check_output("echo of-bio-alone > /mnt/bio/vault/file")
    assert bio.check_output("cat /mnt/bio/vault/file") == "of-bio-alone"
    assert "file" not in admin.check_output("ls -A /mnt/mol/tenants/bio/vault").split(), (
        "names are encrypted for others"
    )
    assert admin.run("cat /mnt/mol/tenants/bio/vault/*").rc != 0
    bio.check_output("rm /mnt/bio/vault/file")


def test_verify_finds_all_in_order() -> None:
    """Root is squashed for one of them, another one only reads: the gate tries out what each of them may do."""
    done = playbook("verify", {})
    assert done.returncode == 0 and "Verdict: HEALTHY" in done.stdout, done.stdout


def test_ids_are_moved_by_an_offset(admin: Host) -> None:
    bio = at("bio1")
    bio.check_output("chmod 0771 /mnt/bio && mkdir /mnt/bio/shared && chmod 1777 /mnt/bio/shared")
    bio.check_output(as_user(1234, "echo 1 > /mnt/bio/shared/file"))
    assert bio.check_output("stat -c '%u %g' /mnt/bio/shared/file") == "1234 1234"
    assert admin.check_output("stat -c '%u %g' /mnt/mol/tenants/bio/shared/file") == "1001234 1001234"
    bio.check_output(as_user(70000, "echo 1 > /mnt/bio/shared/beyond"))
    assert admin.check_output("stat -c '%u' /mnt/mol/tenants/bio/shared/beyond") == str(1000000 + 65534)


def test_ids_are_mapped_by_a_list_and_others_are_nobody(admin: Host) -> None:
    chem = at("chem1")
    chem.check_output(
        as_user(500, "mkdir -m 1777 /mnt/chem/shared && chmod 0771 /mnt/chem && echo 1 > /mnt/chem/shared/file")
    )
    assert chem.check_output("stat -c '%u %g' /mnt/chem/shared/file") == "500 500"
    assert admin.check_output("stat -c '%u %g' /mnt/mol/tenants/chem/shared/file") == "1500 1500"
    chem.check_output(as_user(501, "echo 1 > /mnt/chem/shared/unknown"))
    assert admin.check_output("stat -c '%u %g' /mnt/mol/tenants/chem/shared/unknown") == "65534 65534"


def test_root_of_a_tenant_is_not_root(admin: Host) -> None:
    admin.check_output(
        "install -m 0600 /dev/null /mnt/mol/tenants/bio/of-root && echo kept > /mnt/mol/tenants/bio/of-root"
    )
    admin.check_output(
        "install -m 0600 /dev/null /mnt/mol/tenants/chem/of-root && echo kept > /mnt/mol/tenants/chem/of-root"
    )
    for host in ("bio1", "chem1"):
        path = f"/mnt/{TENANTS[host]}/of-root"
        for command in (f"cat {path}", f"sh -c 'echo gone > {path}'", f"chmod 0666 {path}", f"chown 0:0 {path}"):
            assert at(host).run(command).rc != 0, (host, command)
        assert admin.check_output(f"cat /mnt/mol/tenants/{TENANTS[host]}/of-root") == "kept"
    assert at("chem1").run("touch /mnt/chem/by-root").rc != 0, "root without a mapping is nobody"
    at("bio1").check_output("touch /mnt/bio/by-root")
    assert admin.check_output("stat -c '%u %g' /mnt/mol/tenants/bio/by-root") == "1000000 1000000"


def test_a_tenant_that_only_reads_cannot_write(admin: Host) -> None:
    phys = at("phys1")
    assert phys.check_output("cat /mnt/phys/of-phys") == "phys"
    tried = phys.run("touch /mnt/phys/new")
    assert tried.rc != 0 and "Read-only file system" in tried.stderr
    assert phys.run("mount -o remount,rw /mnt/phys && touch /mnt/phys/new").rc != 0
    tried = phys.run(f"mkdir -p /run/tried && mount -t lustre -o rw {MGS}:/mol /run/tried && touch /run/tried/new")
    phys.run("umount /run/tried")
    assert tried.rc != 0
    assert admin.check_output("ls -A /mnt/mol/tenants/phys") == "of-phys"


def test_a_host_outside_all_nodemaps_is_refused() -> None:
    """The NID of the third tenant's host is taken out of its nodemap for a moment: then it is nobody's."""
    server, phys = at("server1"), at("phys1")
    phys.check_output("umount /mnt/phys")
    server.check_output("lctl nodemap_del_range --name phys --range 10.77.0.53@tcp")
    try:
        for source in ("/mol", "/mol/tenants/phys", "/mol/tenants/bio"):
            tried = phys.run(f"mkdir -p /run/tried && timeout 60 mount -t lustre {MGS}:{source} /run/tried")
            assert tried.rc == 1 and "failed: Operation not permitted" in tried.stderr, (source, tried.rc, tried.stderr)
    finally:
        server.check_output("lctl nodemap_add_range --name phys --range 10.77.0.53@tcp")
    phys.check_output("mount /mnt/phys")
    assert phys.check_output("cat /mnt/phys/of-phys") == "phys"


def test_a_tenant_leaves_with_consent_and_its_data_stays(admin: Host) -> None:
    server, phys = at("server1"), at("phys1")
    described = described_as("absent")
    refused = tenants(described)
    assert refused.returncode != 0 and "consent" in refused.stdout, refused.stdout
    assert server.check_output("lctl get_param -N nodemap.phys.id") and clients(phys) == ["/mnt/phys"]
    consent = {"lustre_consent_nodemaps": ["phys"], "lustre_consent_unmount": ["/mnt/phys"]}
    gone = tenants({**described, **consent})
    assert gone.returncode == 0, gone.stdout
    assert clients(phys) == [] and "/mnt/phys" not in phys.file("/etc/fstab").content_string
    assert server.run("lctl get_param -N nodemap.phys.id").rc != 0
    tried = phys.run(f"mkdir -p /run/tried && timeout 60 mount -t lustre {MGS}:/mol/tenants/phys /run/tried")
    assert tried.rc == 1, (tried.rc, tried.stderr)
    assert admin.check_output("cat /mnt/mol/tenants/phys/of-phys") == "phys"
    back = tenants({})
    assert back.returncode == 0, back.stdout
    assert phys.check_output("cat /mnt/phys/of-phys") == "phys"


def described_as(state: str) -> dict[str, object]:
    """The file systems as described, with the tenant phys in this state."""
    filesystems = AnsibleRunner().get_variables("server1")["lustre_filesystems"]
    found = json.loads(json.dumps(filesystems))
    for tenant in found[0]["tenants"]:
        if tenant["name"] == "phys":
            tenant["state"] = state
    return {"lustre_filesystems": found}


def tenants(variables: dict[str, object]) -> subprocess.CompletedProcess[str]:
    return playbook("tenants", variables)


def playbook(name: str, variables: dict[str, object]) -> subprocess.CompletedProcess[str]:
    """A playbook, as an administrator runs it."""
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    argv = [program, f"lustre.core.{name}", "-e", json.dumps(variables)]
    return subprocess.run(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=400)
