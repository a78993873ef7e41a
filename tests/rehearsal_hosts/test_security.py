# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wire security on two hosts: a real KDC and real tickets around the simulated Lustre, and what goes wrong as recorded.

The server is MGS, MDS, OSS and KDC, the client another host; what is sent and accepted are real tokens of MIT Kerberos.
The tests of this file build on one pair of hosts and run in their order.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rehearsal.hosts import layout as layout_module
from rehearsal.hosts.layout import cache_root
from rehearsal.packages.build import repository

ROOT = Path(__file__).resolve().parents[2]
SERVER, CLIENT = "10.77.50.11@tcp", "10.77.50.41@tcp"
SPEC = {
    "networks": ["tcp"],
    "hosts": [
        {"name": "server", "interfaces": [{"name": "eth0", "network": "tcp", "addresses": ["10.77.50.11/24"]}]},
        {"name": "client", "interfaces": [{"name": "eth0", "network": "tcp", "addresses": ["10.77.50.41/24"]}]},
    ],
    "devices": [
        {"name": "mdt", "size": "256M", "hosts": ["server"], "path": "/dev/disk/by-id/scsi-mdt"},
        {"name": "ost", "size": "256M", "hosts": ["server"], "path": "/dev/disk/by-id/scsi-ost"},
    ],
}
KRB5_CONF = """[libdefaults]
 default_realm = LAB.EXAMPLE
 dns_lookup_kdc = false
 rdns = false
[realms]
 LAB.EXAMPLE = {
  kdc = server.lab.example
 }
"""
MOUNT = f"mount -t lustre {SERVER}:/fs1 /mnt/fs1"
SERVICES = ("lustre_mgs", "lustre_mds", "lustre_oss")

pytestmark = pytest.mark.live


class Hosts:
    def __init__(self, folder: Path) -> None:
        self.layout = layout_module.Layout(f"test-sec-{os.getpid()}")
        self.spec = folder / "spec.json"
        self.spec.write_text(json.dumps({**SPEC, "packages": str(repository(cache_root() / "packages"))}))

    def rehearse(self, command: str, *words: str) -> None:
        argv = [sys.executable, "-m", "rehearsal.hosts", command, "--site", self.layout.site, *words]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, host: str, command: str) -> tuple[int, str]:
        argv = ["ssh", "-F", str(self.layout.ssh_config), "-o", "BatchMode=yes", host, command]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, check=False)
        return done.returncode, done.stdout + done.stderr

    def do(self, host: str, command: str) -> str:
        rc, text = self.run(host, command)
        assert rc == 0, f"{host}: {command}: {rc}: {text}"
        return text

    def put(self, host: str, path: str, text: str) -> None:
        self.do(host, f"cat >{path} <<'END'\n{text}END")

    def until(self, wanted: Callable[[], bool], what: str, seconds: float = 40.0) -> None:
        deadline = time.monotonic() + seconds
        while not wanted():
            assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
            time.sleep(0.5)

    # -- Lustre

    def flavors(self, host: str = "client") -> list[str]:
        text = self.do(host, "lctl get_param -n 'mdc.*.srpc_info' 'osc.*.srpc_info'")
        return re.findall(r"rpc flavor:\t(\S+)", text)

    def contexts(self) -> list[str]:
        return self.do("client", "lctl get_param -n 'mdc.*.srpc_contexts' 'osc.*.srpc_contexts'").split("- {")[1:]

    def rule(self, text: str) -> None:
        self.do("server", f"lctl conf_param {text}")

    def mount(self, options: str = "", limit: int = 25) -> tuple[int, float, str]:
        """rc, seconds and text of a fresh client mount, after the old one and root's tickets are gone."""
        self.run("client", "umount -f /mnt/fs1; rm -f /tmp/krb5cc_0")
        return self.mount_again(options, limit)

    def mount_again(self, options: str = "", limit: int = 25) -> tuple[int, float, str]:
        self.run("client", "umount -f /mnt/fs1")
        begun = time.monotonic()
        rc, text = self.run("client", f"timeout {limit} {MOUNT} {options}")
        return rc, time.monotonic() - begun, text

    def log(self, host: str, tag: str, since: float) -> str:
        return self.run(host, f"journalctl -t {tag} --no-pager -o cat --since @{int(since)}")[1]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    made = Hosts(tmp_path_factory.mktemp("security"))
    made.rehearse("up", "--spec", str(made.spec), "--with-process", str(os.getpid()))
    try:
        _prepare(made)
        yield made
    finally:
        made.rehearse("down")


def _prepare(hosts: Hosts) -> None:
    """Packages, names, KDC, keytabs; a file system, a client without security."""
    settings = {"flavor_delay": 2.0, "flavor_spread": 1.5, "prime_seconds": 0.1, "import_interval": 1.0}
    (hosts.layout.shared / "settings.json").write_text(json.dumps(settings))
    for host, kind, extra in (("server", "server", "krb5-kdc krb5-admin-server"), ("client", "client", "")):
        hosts.put(host, "/etc/krb5.conf", KRB5_CONF)
        names = "10.77.50.11 server.lab.example server-tcp\\n10.77.50.41 client.lab.example client-tcp\\n"
        hosts.do(host, f"sed -i '/^10.77.50/d' /etc/hosts; printf '{names}' >>/etc/hosts")
        hosts.put(host, "/etc/apt/sources.list.d/lustre.list", "deb [trusted=yes] file:/srv/lustre-packages ./\n")
        hosts.do(
            host,
            "export DEBIAN_FRONTEND=noninteractive; apt-get update -qq; apt-get install -qq -y e2fsprogs=1.47.3-wc1 "
            f"lustre-{kind}-modules-$(uname -r) lustre-{kind}-utils krb5-user {extra}",
        )
        hosts.do(host, "mkdir -p /mnt/fs1 /mnt/mdt /mnt/ost")
    hosts.do("server", "kdb5_util create -s -P master -r LAB.EXAMPLE; systemctl restart krb5-kdc")
    for service in SERVICES:
        _principal(hosts, "server", f"{service}/server.lab.example")
    _principal(hosts, "client", "lustre_root/client.lab.example")
    hosts.put("server", "/etc/sysconfig-lsvcgss", 'LSVCGSSDARGS="-k -s -g -m -o -v"\n')
    hosts.do("server", "mkdir -p /etc/sysconfig && mv /etc/sysconfig-lsvcgss /etc/sysconfig/lsvcgss")
    hosts.do("server", "modprobe lnet && lnetctl lnet configure && lnetctl net add --net tcp --if eth0")
    hosts.do("client", "modprobe lnet && lnetctl lnet configure && lnetctl net add --net tcp --if eth0")
    hosts.do("server", "mkfs.lustre --mgs --mdt --fsname=fs1 --index=0 /dev/disk/by-id/scsi-mdt")
    hosts.do("server", f"mkfs.lustre --ost --fsname=fs1 --index=0 --mgsnode={SERVER} /dev/disk/by-id/scsi-ost")
    hosts.do(
        "server",
        "mount -t lustre /dev/disk/by-id/scsi-mdt /mnt/mdt && mount -t lustre /dev/disk/by-id/scsi-ost /mnt/ost",
    )


def _principal(hosts: Hosts, host: str, name: str) -> None:
    """A new key of a principal, in the keytab of its host."""
    hosts.do("server", f"kadmin.local addprinc -randkey {name}")
    _give_key(hosts, host, name)


def _give_key(hosts: Hosts, host: str, name: str) -> None:
    hosts.do("server", f"rm -f /tmp/new.keytab; kadmin.local ktadd -norandkey -k /tmp/new.keytab {name}")
    data = hosts.do("server", "base64 -w0 /tmp/new.keytab").strip()
    hosts.do(host, f"umask 077; echo {data} | base64 -d >/tmp/new.keytab")
    hosts.do(host, "printf 'rkt /tmp/new.keytab\\nwkt /etc/krb5.keytab\\nq\\n' | ktutil; chmod 600 /etc/krb5.keytab")


def test_the_unit_is_there_and_off(hosts: Hosts) -> None:
    assert hosts.run("server", "systemctl is-enabled lsvcgss")[1].strip() == "disabled"
    assert hosts.do("client", "cat /etc/request-key.d/lgssc.conf").startswith(
        "create lgssc * * /usr/sbin/lgss_keyring %o"
    )
    assert hosts.run("client", "test -e /usr/sbin/lsvcgssd")[0] == 1


def test_kerberos_of_a_live_mount_and_of_a_new_one(hosts: Hosts) -> None:
    begun = time.time()
    hosts.do("server", "systemctl start lsvcgss")
    log = hosts.log("server", "lsvcgssd", begun)
    for word in ("MGS", "MDS", "OSS"):
        assert f"Ready to serve Lustre {word} in realm LAB.EXAMPLE" in log
    assert hosts.do("server", "pgrep -a -x lsvcgssd").split(" ", 1)[1].strip() == "/usr/sbin/lsvcgssd -k -s -g -m -o -v"
    assert hosts.mount()[0] == 0
    assert hosts.flavors() == ["null", "null"]
    hosts.rule("fs1.srpc.flavor.default=krb5i")
    hosts.until(
        lambda: hosts.flavors() == ["krb5i", "krb5i"] and len(hosts.contexts()) == 2, "the connections follow the rule"
    )
    command = f"journalctl -t lsvcgssd -o short-unix --no-pager --since @{int(begun)} | grep authenticated"
    mds, oss = (float(line.split()[0]) for line in hosts.do("server", command).splitlines())
    # how far apart they are is a matter of ticks and load; test_gss.py measures it on a clock of its own
    assert mds < oss, "one by one, the MDT's first"
    contexts = hosts.contexts()
    assert all("[uptodate, cached]" in text and 'mech: "krb5 (aes256-cts-hmac-sha' in text for text in contexts)
    served = hosts.do("server", "lctl get_param 'mdt.*.gss.srpc_serverctx' 'obdfilter.*.gss.srpc_serverctx'")
    assert served.count(f"peer_nid: {CLIENT}") == 2
    assert "MDS: authenticated lustre_root/client.lab.example@LAB.EXAMPLE from " + CLIENT in hosts.log(
        "server", "lsvcgssd", begun
    )
    assert "lustre_mds/server.lab.example@LAB.EXAMPLE" in hosts.do("client", "klist -c /tmp/krb5cc_0")
    assert hosts.mount()[0] == 0
    assert hosts.flavors() == ["krb5i", "krb5i"]
    hosts.do("client", "echo x >/mnt/fs1/file && cat /mnt/fs1/file")


@pytest.mark.long
def test_contexts_are_flushed_and_come_again(hosts: Hosts) -> None:
    hosts.do("client", "lfs flushctx /mnt/fs1")
    hosts.until(lambda: len(hosts.contexts()) == 2, "new contexts")


def test_what_is_wrong_on_the_client_ends_the_mount_at_once(hosts: Hosts) -> None:
    begun = time.time()
    hosts.do("client", "mv /etc/krb5.keytab /root/kept")
    rc, seconds, text = hosts.mount()
    assert (rc, seconds < 10) == (126, True) and "failed: Required key not available" in text
    log = hosts.log("client", "lgss_keyring", begun)
    assert "ERROR:lkrb5_check_root_tgt_cc(): get cc principal: No credentials cache found" in log
    assert "ERROR:lkrb5_refresh_root_tgt_cc(): start kt iteration: No such file or directory" in log
    _principal(hosts, "client", "lustre_root/other.lab.example")
    assert hosts.mount()[0] == 126
    assert "can't find proper keytab entry" in hosts.log("client", "lgss_keyring", begun)
    hosts.do(
        "client",
        "rm /etc/krb5.keytab; mv /root/kept /etc/krb5.keytab; mv /etc/request-key.d/lgssc.conf /root/kept.conf",
    )
    assert hosts.mount()[0] == 126
    hosts.do("client", "mv /root/kept.conf /etc/request-key.d/lgssc.conf")
    assert hosts.mount()[0] == 0


@pytest.mark.long
def test_a_user_needs_a_ticket(hosts: Hosts) -> None:
    for host in ("server", "client"):
        hosts.do(host, "useradd -u 2001 alice")
    hosts.do("server", "kadmin.local addprinc -pw secret alice")
    hosts.do("client", "mkdir -p /mnt/fs1/d && chmod 777 /mnt/fs1/d")
    rc, text = hosts.run("client", "su alice -c 'timeout 20 ls -l /mnt/fs1/d'")
    assert rc not in (0, 124) and "Operation not permitted" in text
    assert hosts.run("client", "su alice -c 'timeout 5 ls -l /mnt/fs1/d'")[0] == 124, "the next one waits"
    hosts.do("client", "echo secret | su alice -c 'kinit alice' && su alice -c 'touch /mnt/fs1/d/hers'")
    users = re.findall(r"uid: (\d+).*uptodate", hosts.do("client", "lctl get_param -n 'mdc.*.srpc_contexts'"))
    assert sorted(users) == ["0", "2001"]
    assert "N/A" in hosts.do("client", "lctl get_param -n 'mdc.*.srpc_contexts'"), "of the attempt without a ticket"
    hosts.do("client", "su alice -c 'lfs flushctx -k /mnt/fs1'; test ! -e /tmp/krb5cc_2001")
    assert hosts.run("client", "su alice -c 'timeout 5 ls /mnt/fs1/d'")[0] == 124
    hosts.do("client", "ls /mnt/fs1/d/hers")


@pytest.mark.long
def test_an_old_ticket_hides_a_missing_keytab(hosts: Hosts) -> None:
    hosts.do("client", "test -e /tmp/krb5cc_0 && mv /etc/krb5.keytab /root/kept")
    assert hosts.mount_again()[0] == 0
    hosts.do("client", "mv /root/kept /etc/krb5.keytab")


@pytest.mark.long
def test_the_kdc_is_needed_for_new_tickets_only(hosts: Hosts) -> None:
    begun = time.time()
    hosts.do("server", "systemctl stop krb5-kdc")
    assert hosts.mount_again()[0] == 0
    assert hosts.mount()[0] == 126
    assert "Cannot contact any KDC for requested realm" in hosts.log("client", "lgss_keyring", begun)
    hosts.do("server", "systemctl start krb5-kdc")
    assert hosts.mount()[0] == 0


@pytest.mark.long
@pytest.mark.parametrize("principal", ["host/client.lab.example", "lustre_root"])
def test_other_names_of_roots_credentials(hosts: Hosts, principal: str) -> None:
    hosts.do("client", "mv /etc/krb5.keytab /root/kept")
    _principal(hosts, "client", principal)
    rc = hosts.mount()[0]
    assert hosts.do("client", "klist -c /tmp/krb5cc_0 | sed -n 2p").split()[-1] == f"{principal}@LAB.EXAMPLE"
    hosts.do("client", "mv /root/kept /etc/krb5.keytab")
    assert rc == 0


@pytest.mark.long
def test_what_the_server_rejects_is_tried_until_the_mount_is_killed(hosts: Hosts) -> None:
    begun = time.time()
    hosts.do("server", "sed -i 's/^10.77.50.41 .*/10.77.50.41 cl.other.example client-tcp/' /etc/hosts")
    rc, seconds, _ = hosts.mount(limit=6)
    hosts.do("server", "sed -i 's/^10.77.50.41 .*/10.77.50.41 client.lab.example client-tcp/' /etc/hosts")
    assert rc == 124 and seconds >= 6
    log = hosts.log("server", "lsvcgssd", begun)
    assert log.count(f"claimed hostname doesn't match cl.other.example, nid {CLIENT}") > 2
    assert "negotiation gss error d0000" in hosts.log("client", "lgss_keyring", begun)
    hosts.do("server", "kadmin.local cpw -randkey lustre_mds/server.lab.example")
    assert hosts.mount(limit=6)[0] == 124
    log = hosts.log("server", "lsvcgssd", begun)
    assert re.search(
        r"lustre_mds/server.lab.example@LAB.EXAMPLE kvno 2 not found in keytab; keytab is likely out of date", log
    ), log
    _give_key(hosts, "server", "lustre_mds/server.lab.example")
    assert hosts.mount()[0] == 0, "the keytab is read again, the daemon needs no restart"


@pytest.mark.long
def test_a_daemon_that_is_gone_is_restarted_by_its_unit(hosts: Hosts) -> None:
    hosts.do("server", "pkill -x lsvcgssd; mv /etc/sysconfig/lsvcgss /root/")
    assert hosts.mount()[0] == 0
    assert hosts.do("server", "pgrep -a -x lsvcgssd").split(" ", 1)[1].strip() == "/usr/sbin/lsvcgssd -k -s -z", (
        "the defaults"
    )
    begun = time.time()
    assert hosts.run("server", "lsvcgssd -k -s -m -o -g")[0] == 0
    time.sleep(1)
    assert "Another instance is running, exit" in hosts.log("server", "lsvcgssd", begun)
    hosts.do("server", "mv /root/lsvcgss /etc/sysconfig/ && systemctl restart lsvcgss")


@pytest.mark.long
def test_a_missing_key_turns_kerberos_off(hosts: Hosts) -> None:
    hosts.do("server", "systemctl stop lsvcgss; pkill -x lsvcgssd; cp -p /etc/krb5.keytab /root/kept")
    hosts.do("server", "kadmin.local ktrem -k /etc/krb5.keytab lustre_oss/server.lab.example all")
    begun = time.time()
    assert hosts.run("server", "lsvcgssd -k -m -o -g -v")[0] == 1
    rc, text = hosts.run("server", "timeout 4 lsvcgssd -f -k -m -o -g -v")
    assert (
        rc == 1
        and "No key table entry found matching lustre_oss/" in text
        and "ERROR: disabling Kerberos support" in text
    )
    assert hosts.run("server", "lsvcgssd -k -s -m -o -g -v")[0] == 0
    assert "do you have a keytab entry for <lustre_xxs>/<your.host>@<YOUR.REALM> in /etc/krb5.keytab?" in hosts.log(
        "server", "lsvcgssd", begun
    )
    assert hosts.mount(limit=5)[0] == 124, "SSK only: Kerberos is silently off"
    hosts.do("server", "mv /root/kept /etc/krb5.keytab; pkill -x lsvcgssd; systemctl start lsvcgss")
    assert hosts.mount()[0] == 0


def test_shared_keys(hosts: Hosts) -> None:
    hosts.do(
        "server", "umask 077; mkdir -p /root/keys; lgss_sk -t server -f fs1 -n default -w /root/keys/fs1.server.key"
    )
    data = hosts.do("server", "base64 -w0 /root/keys/fs1.server.key").strip()
    hosts.do(
        "client", f"umask 077; mkdir -p /root/keys; echo {data} | base64 -d >/root/keys/fs1.key; chmod 600 /root/keys/*"
    )
    hosts.do("server", "lgss_sk -l /root/keys/fs1.server.key")
    assert "user: lustre:fs1:default" in hosts.do("server", "keyctl show")
    assert "lustre:" not in hosts.do("client", "keyctl show"), "hosts do not share their keys"
    hosts.rule("fs1.srpc.flavor.default=skpi")
    hosts.until(lambda: hosts.flavors() == ["skpi", "skpi"], "the connections follow the rule")
    assert all('mech: "N/A"' in text for text in hosts.contexts()), "no key: the flavor shows, the context is broken"
    assert hosts.mount()[0] == 126
    rc, _, text = hosts.mount("-o skpath=/root/nokeys")
    assert rc == 32 and "stat() failed for key /root/nokeys: No such file or directory" in text
    assert hosts.mount("-o skpath=/root/keys")[0] == 0
    assert hosts.flavors() == ["skpi", "skpi"] and all('mech: "sk"' in text for text in hosts.contexts())
    assert re.search(r"^Type: +client$", hosts.do("client", "lgss_sk -r /root/keys/fs1.key"), re.M), (
        "2.17 rewrites the file"
    )
    assert hosts.do("client", "keyctl search @u user lustre:fs1").strip().isdigit()
    hosts.rule("-d fs1.srpc.flavor.default")
    hosts.until(lambda: hosts.flavors() == ["null", "null"], "back without security")
