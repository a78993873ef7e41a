# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Flavors between nodes of one process: who follows a rule and when, what a missing or another key does, both ends' contexts."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lustre_sim.kernel import gss_upcall, srpc
from lustre_sim.kernel.gss import REJECTED
from lustre_sim.keyring import Keyring
from lustre_sim.node import Node
from lustre_sim.shared_key import CLIENT, MGS, SERVER, SharedKey
from lustre_sim.sim_error import SimError, Unanswered
from lustre_sim.tools import lgss_keyring
from lustre_sim.tools._accept import Acceptor

from tests.rehearsal_sim.test_storage import CLIENT as CLIENT_NID
from tests.rehearsal_sim.test_storage import MDS1, MDS2, OSS1, Site, running, site

__all__ = ["running", "site"]
SPEC = f"{MDS1}:{MDS2}:/fs1"


class Secured:
    """The site with the programs around each kernel as functions, and what they said."""

    def __init__(self, site: Site) -> None:
        self.site, self.said, self.mechanisms = site, [], {"sk"}
        self.key = SharedKey(types=SERVER, fsname="fs1", key=b"k" * 32)
        for node in site.hosts.values():
            self._programs(node)

    def _programs(self, node: Node) -> None:
        def request_key(key: str, description: str, callout: str) -> None:
            lgss_keyring.negotiate(key, callout, None, node, lambda place, text: self.said.append(f"{place}: {text}"))

        def ask_daemon(program: str, request: dict[str, Any]) -> dict[str, Any] | None:
            assert program == "/usr/sbin/l_getauth"
            if not self.mechanisms:
                return None
            return Acceptor(self.mechanisms, Keyring.of(node), self.said.append).answer(request)

        node.gss.request_key, node.gss.ask_daemon = request_key, ask_daemon

    def load(self, nid: str, types: int, **changed: Any) -> None:
        key = SharedKey(**{**vars(self.key), "types": types, **changed})
        if types & CLIENT:
            key.make_prime(0)
        key.load(Keyring.of(self.site.hosts[nid]))

    def everywhere(self) -> None:
        self.load(MDS1, SERVER | CLIENT)
        self.load(OSS1, SERVER)
        self.load(CLIENT_NID, CLIENT)

    def rule(self, text: str) -> None:
        self.site.hosts[MDS1].call("params.conf", text=text)

    def flavors(self, nid: str = CLIENT_NID) -> dict[str, str]:
        """{short name: flavor} of what a node's imports show."""
        found = self.site.hosts[nid].call("params.get", pattern="*.*.srpc_info")
        return {re.sub(r"-ff[0-9a-f]+\.srpc_info$|\.srpc_info$", "", name): text.split()[2] for name, text in found}

    def contexts(self, nid: str = CLIENT_NID, pattern: str = "*.*.srpc_contexts") -> dict[str, str]:
        return {name: text for name, text in self.site.hosts[nid].call("params.get", pattern=pattern) if text}


@pytest.fixture
def secured(running: Site) -> Iterator[Secured]:
    yield Secured(running)


def test_a_rule_moves_live_connections_one_by_one(secured: Secured) -> None:
    secured.everywhere()
    secured.rule("fs1.srpc.flavor.default=skpi")
    seen = []
    for _ in range(14):
        secured.site.later(1.0)
        seen.append([flavor for name, flavor in secured.flavors().items() if name[:3] in ("mdc", "osc")])
    assert seen[0] == ["null"] * 3
    mixed = [row for row in seen if len(set(row)) > 1]
    assert mixed, "there is a time at which some connections are changed and others are not"
    assert seen[-1] == ["skpi"] * 3
    assert secured.flavors()["mgc.MGC10.77.0.11@tcp"] == "null", "the rules of a file system are not those of the MGS"
    up = secured.contexts()
    assert len(up) == 3 and all("flags: [uptodate, cached]" in text and 'mech: "sk"' in text for text in up.values())
    served = secured.contexts(OSS1, "obdfilter.*.gss.srpc_serverctx")
    assert all(f"peer_nid: {CLIENT_NID}" in text for text in served.values()) and len(served) == 2
    ours, theirs = re.search(
        r'hdl: "(\w+):(\w+)"', up["osc.fs1-OST0000-" + next(iter(up))[16:].replace("mdc", "osc")]
    ).groups()
    assert f'hdl: "{theirs}:{ours}"' in served["obdfilter.fs1-OST0000.gss.srpc_serverctx"]


def test_an_mdt_is_a_client_of_osts(secured: Secured) -> None:
    secured.load(MDS1, CLIENT)
    secured.load(OSS1, SERVER)
    secured.rule("fs1.srpc.flavor.default.mdt2ost=ski")
    secured.site.later(30)
    secured.site.later(30)
    flavors = secured.flavors(MDS1)
    assert flavors["osp.fs1-OST0000-osc-MDT0000"] == flavors["osc.fs1-OST0001-osc-MDT0000"] == "ski"
    assert {flavor for name, flavor in secured.flavors().items()} == {"null"}, "clients have no rule"


@pytest.mark.parametrize(
    "rule", ["fs1.srpc.flavor.tcp=skpi", "fs1.srpc.flavor.tcp.cli2mdt=skpi", "fs2.srpc.flavor.default=ski"]
)
def test_rules_that_match_nothing(secured: Secured, rule: str) -> None:
    if rule.startswith("fs2"):
        with pytest.raises(SimError) as failure:
            secured.rule(rule)
        assert failure.value.errno == errno.EINVAL
        return
    secured.rule(rule)
    secured.site.later(60)
    secured.site.later(60)
    assert set(secured.flavors().values()) == {"null"}
    assert rule in secured.site.hosts[MDS1].param_tree()["mgs.MGS.live.fs1"]()


def test_a_live_connection_without_a_key_shows_the_flavor_and_is_broken(secured: Secured) -> None:
    secured.load(MDS1, SERVER)
    secured.load(OSS1, SERVER)
    secured.rule("fs1.srpc.flavor.default=skpi")
    secured.site.later(30)
    secured.site.later(30)
    assert set(list(secured.flavors().values())[:1]) == {"skpi"}
    broken = secured.contexts()
    assert broken and all(
        "flags: [cached], seq: 0, win: 0" in text and 'mech: "N/A"' in text for text in broken.values()
    )
    failing = [row["name"] for row in secured.site.hosts[CLIENT_NID].call("obd.check") if row["errno"]]
    assert len(failing) == 3
    secured.load(CLIENT_NID, CLIENT)
    secured.site.later(3)
    assert all("uptodate" in text for text in secured.contexts().values())
    assert not [row for row in secured.site.hosts[CLIENT_NID].call("obd.check") if row["errno"]]


def test_a_new_mount_without_a_key_is_refused_with_enokey(secured: Secured) -> None:
    secured.site.umount(CLIENT_NID, "/mnt/fs1")
    secured.load(MDS1, SERVER)
    secured.rule("fs1.srpc.flavor.default.cli2mdt=ska")
    assert secured.site.mount(CLIENT_NID, SPEC, "/mnt/fs1") == errno.ENOKEY
    assert "/mnt/fs1" not in secured.site.hosts[CLIENT_NID].mounts.table
    assert any("failed to find key lustre:fs1" in line for line in secured.said)
    secured.load(CLIENT_NID, CLIENT)
    assert secured.site.mount(CLIENT_NID, SPEC, "/mnt/fs1") == 0
    assert secured.flavors()["mdc.fs1-MDT0000-mdc"] == "ska" and secured.flavors()["osc.fs1-OST0000-osc"] == "null"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"key": b"other" * 7}, "another shared key"),
        ({"nodemap": "biology"}, "its NID is in default"),
        ({"prime_bits": 1024}, "prime length of 1024 bits rejected"),
    ],
)
def test_what_a_server_rejects_is_tried_until_the_mount_is_killed(
    secured: Secured, changed: dict[str, Any], why: str
) -> None:
    secured.site.umount(CLIENT_NID, "/mnt/fs1")
    secured.load(MDS1, SERVER)
    secured.load(OSS1, SERVER)
    secured.load(CLIENT_NID, CLIENT, **changed)
    secured.rule("fs1.srpc.flavor.default=skn")
    client, tries = secured.site.hosts[CLIENT_NID], []
    client.asker.gone = lambda: bool(tries.append(client.clock.time()) or len(tries) >= 40)
    assert secured.site.mount(CLIENT_NID, SPEC, "/mnt/fs1") == errno.EINTR
    assert len(tries) == 40 and tries[-1] - tries[0] >= 19, "it went on until somebody killed it"
    assert any(why in line for line in secured.said), secured.said[-3:]
    assert any(f"negotiation gss error {REJECTED:x}" in line for line in secured.said)


def test_no_daemon_or_no_mechanism_is_a_rejection(secured: Secured) -> None:
    secured.everywhere()
    secured.site.umount(CLIENT_NID, "/mnt/fs1")
    secured.rule("fs1.srpc.flavor.default=skn")
    client = secured.site.hosts[CLIENT_NID]
    client.asker.gone = lambda: True
    for mechanisms in (set(), {"krb5"}):
        secured.mechanisms = mechanisms
        assert secured.site.mount(CLIENT_NID, SPEC, "/mnt/fs1") == errno.EINTR


def test_the_mgs_has_a_rule_of_its_own(secured: Secured) -> None:
    secured.site.umount(CLIENT_NID, "/mnt/fs1")
    nids = (MDS1,)
    secured.load(MDS1, SERVER | MGS, mgs_nids=nids)
    secured.load(CLIENT_NID, CLIENT, mgs_nids=nids)
    assert secured.site.mount(CLIENT_NID, SPEC, "/mnt/fs1", "mgssec=skpi") == 0, "without a rule the MGS takes any"
    assert secured.flavors()["mgc.MGC10.77.0.11@tcp"] == "skpi"
    secured.site.umount(CLIENT_NID, "/mnt/fs1")
    secured.rule("_mgs.srpc.flavor.default=skpi")
    assert "_mgs.srpc.flavor.default=skpi" in secured.site.hosts[MDS1].param_tree()["mgs.MGS.live._mgs"]()
    assert secured.site.mount(CLIENT_NID, SPEC, "/mnt/fs1") == errno.EACCES
    assert secured.site.mount(CLIENT_NID, SPEC, "/mnt/fs1", "mgssec=ski") == errno.EACCES
    assert secured.site.mount(CLIENT_NID, SPEC, "/mnt/fs1", "mgssec=skpi") == 0
    assert secured.flavors()["mgc.MGC10.77.0.11@tcp"] == "skpi"
    assert 'mech: "sk"' in secured.contexts(MDS1, "mgs.MGS.gss.srpc_serverctx")["mgs.MGS.gss.srpc_serverctx"]
    assert secured.site.mount(CLIENT_NID, SPEC, "/mnt/two", "mgssec=krb5p") == errno.EINVAL, (
        "one flavor per MGS and node"
    )
    secured.rule("_mgs.srpc.flavor.default=")
    assert "Rules:\n\n" in secured.site.hosts[MDS1].param_tree()["mgs.MGS.live._mgs"]()


def test_contexts_that_are_flushed_come_again(secured: Secured) -> None:
    secured.everywhere()
    secured.rule("fs1.srpc.flavor.default=ski")
    secured.site.later(30)
    client = secured.site.hosts[CLIENT_NID]
    before = secured.contexts()
    client.call("gss.flush", instance=client.mounts.clients()[0].instance, uid=0)
    assert not secured.contexts()
    assert not [row for row in client.call("obd.check") if row["errno"]], "the next request makes a new one"
    secured.site.later(1)
    secured.site.later(3)
    after = secured.contexts()
    assert set(after) == set(before) and after != before


def test_a_server_that_comes_back_gets_new_contexts(secured: Secured) -> None:
    secured.everywhere()
    secured.rule("fs1.srpc.flavor.default=ski")
    secured.site.later(30)
    assert secured.contexts(OSS1, "obdfilter.fs1-OST0000.gss.srpc_serverctx")
    secured.site.umount(OSS1, "/ost0")
    secured.site.later(6)
    assert secured.site.mount(OSS1, secured.site.device("ost0"), "/ost0") == 0
    assert not secured.contexts(OSS1, "obdfilter.fs1-OST0000.gss.srpc_serverctx")
    secured.site.later(6)
    secured.site.later(6)
    assert secured.contexts(OSS1, "obdfilter.fs1-OST0000.gss.srpc_serverctx")


def test_rules_go_with_the_file_system(secured: Secured) -> None:
    secured.rule("fs1.srpc.flavor.default=ski")
    secured.site.hosts[MDS1].call("mgs.erase_fs", name="fs1")
    assert secured.site.hosts[MDS1].mgs.state["srpc"] == {}


def test_a_target_has_rules_of_its_own() -> None:
    rules = [
        ("fs1", "default", "", "ski"),
        ("fs1-OST0001", "default", "", "skpi"),
        ("fs1", "default", "cli2mdt", "ska"),
    ]
    assert srpc.choose(rules, "fs1-OST0001", "cli2ost") == "skpi"
    assert srpc.choose(rules, "fs1-OST0000", "cli2ost") == "ski"
    assert srpc.choose(rules, "fs1-MDT0000", "cli2mdt") == "ska"
    assert srpc.choose(rules, "fs2-MDT0000", "cli2mdt") == "null"


def test_request_key_needs_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "create lgssc * * /usr/sbin/lgss_keyring %o %k %t %d %c %u %g %T %P %S"
    words = {letter: letter.upper() for letter in "kdcugTPS"} | {"o": "create", "t": "lgssc"}
    command = gss_upcall.maker(["#create lgssc * * x", "create user * * /no", line], words)
    assert command == ["/usr/sbin/lgss_keyring", "create", "K", "lgssc", "D", "C", "U", "G", "T", "P", "S"]
    assert gss_upcall.maker(["create user * * /no", "negate lgssc * * /no"], words) is None
    program = tmp_path / "request-key"
    monkeypatch.setattr(gss_upcall, "REQUEST_KEY", (str(program),))
    with pytest.raises(SimError) as failure:
        gss_upcall.request_key("1", "0@1", "x")
    assert failure.value.errno == errno.ENOKEY
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(gss_upcall, "CONFIGURATION", (str(tmp_path / "request-key.d"),))
    with pytest.raises(SimError, match="no line"):
        gss_upcall.request_key("1", "0@1", "x")


def test_a_user_has_a_context_of_his_own_or_may_not(secured: Secured) -> None:
    secured.mechanisms = {"krb5"}
    client = secured.site.hosts[CLIENT_NID]
    instance, users = client.mounts.clients()[0].instance, {0}

    def request_key(key: str, description: str, callout: str) -> None:
        if int(callout.split(":")[4]) in users:
            client.call("gss.negotiate", key=key, token="")
            client.call("gss.instantiate", key=key, expire=int(client.clock.time()) + 600, mech="krb5 (x)")

    client.gss.request_key = request_key
    for node in secured.site.hosts.values():
        node.gss.ask_daemon = lambda program, request: {"major": 0, "expire": 2**31, "mech": "krb5 (x)", "token": ""}
    client.gss.user(instance, 2001)  # no flavor: nobody is asked
    secured.rule("fs1.srpc.flavor.default=krb5p")
    secured.site.later(30)
    with pytest.raises(PermissionError) as failure:
        client.gss.user(instance, 2001)
    assert failure.value.errno == errno.EPERM
    for _ in range(2):
        with pytest.raises(Unanswered):
            client.gss.user(instance, 2001)
    client.gss.user(instance, 0)
    users.add(2001)
    client.gss.user(instance, 2001)
    shown = secured.contexts()
    name = f"mdc.fs1-MDT0000-mdc-{instance}.srpc_contexts"
    assert shown[name].count("uid: 2001") == 2 and shown[name].count('mech: "N/A"') == 1 and len(shown) == 3
    client.call("gss.flush", instance=instance, uid=2001)
    assert re.findall(r"uid: 2001.*mech: (\S+)", secured.contexts()[name]) == ['"N/A"']
    secured.site.clock.sleep(301)
    users.remove(2001)
    with pytest.raises(PermissionError):
        client.gss.user(instance, 2001)
