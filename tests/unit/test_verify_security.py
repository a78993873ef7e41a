# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Security in force on one node: each way in which it is not is found, and said with what to look at."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import exports
from ansible_collections.lustre.core.plugins.module_utils._cli.waiting import Waiting
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._readers.security_info import SecurityInspector
from ansible_collections.lustre.core.plugins.module_utils._readers.verify_security import SecurityVerifier
from tests.unit.fake_runner import load_transcript
from tests.unit.test_security_info import AGREED, BROKEN, MDC, OSC, connected

ROOT = Path(__file__).resolve().parents[2]
READ = ("lctl",)
RULES = [{"target": "fs1", "flavor": "krb5p"}]
CLIENT = "0d34353e-396a-47db-924e-b97bd54c9a6d"
LEFT = 604800


def context(name, peer="", valid=True, uid=0, left=LEFT, kind="srpc_contexts"):
    flags = "uptodate, cached" if valid else "cached"
    nid = f"peer_nid: {peer}, " if peer else ""
    return (
        f"{name}.{kind}=\n"
        f"- {{ {nid}uid: {uid}, ctxid: 0x1, expire: {1000 + left}, delta: {left}, flags: [{flags}], seqwin: 1, "
        f'seq: 1, win: 1, hdl: "0x1:0x1", mech: "krb5 (aes256-cts-hmac-sha384-192)" }}\n'
    )


def served(*peers, device="mdt.fs1-MDT0000", valid=True):
    return "".join(context(f"{device}.gss", peer, valid, kind="srpc_serverctx") for peer in peers)


def export_list(*rows):
    lines = "".join(f" {{ nid: {nid}, uuid: {uuid}, dev: {device} }},\n" for nid, uuid, device in rows)
    return f"nodemap.default.exports=\n[\n{lines}]\n" if rows else "nodemap.default.exports=[]\n"


def verifier(run, rules=RULES, timeout=0, waiting=list, **more):
    def inspector(*words):
        now = [0.0]
        return SecurityInspector(*words, sleep=lambda seconds: now.append(seconds), clock=lambda: sum(now))

    return SecurityVerifier.from_options(
        run, rules, timeout=timeout, inspector=inspector, now=lambda: 1000.0, waiting=waiting, **more
    )


def node(fake, text, listed=None):
    """Asked once while it waits, once for all, once for who is connected."""
    whole = "version=2.17.0\n" + text
    return fake([(READ, whole), (READ, whole), (READ, listed if listed is not None else export_list())])


def told(found):
    return [(check["name"], check["ok"]) for check in found["checks"]]


def test_a_client_whose_connections_are_all_as_described(fake):
    text = connected(MDC, "krb5p") + connected(OSC, "krb5p") + context(MDC) + context(OSC)
    found = verifier(node(fake, text)).verify()
    assert found["healthy"] and found["problems"] == []
    assert told(found) == [("flavor", True), ("flavor", True), ("context", True), ("context", True)]


def test_a_connection_without_its_flavor_is_named_with_what_to_look_at(fake):
    text = connected(MDC, "krb5p") + connected(OSC, "null") + context(MDC)
    found = verifier(node(fake, text)).verify()
    (problem,) = found["problems"]
    assert problem.startswith(f"{OSC} uses null, not krb5p") and "lustre.core.secure" in problem
    assert "lsvcgssd on 10.77.0.11@tcp" in problem and not found["healthy"]


def test_a_downgrade_that_has_not_come_is_a_problem_without_keys(fake):
    found = verifier(node(fake, connected(MDC, "krb5p")), [{"target": "fs1", "flavor": "null"}]).verify()
    assert "uses krb5p, not null" in found["problems"][0] and "lsvcgssd" not in found["problems"][0]


@pytest.mark.parametrize("shown", ["", context(MDC, valid=False), context(MDC, uid=1000)])
def test_a_flavor_without_a_context_of_root_is_no_security(fake, shown):
    found = verifier(node(fake, connected(MDC, "krb5p", context="") + shown)).verify()
    assert told(found) == [("flavor", True), ("context", False)]
    assert "root has no valid security context" in found["problems"][0]


def test_contexts_that_end_soon_are_told_on_demand(fake):
    text = connected(MDC, "krb5p") + context(MDC, left=86400)
    found = verifier(node(fake, text)).verify()
    assert found["healthy"] and found["ends"] == [
        {"kind": "context", "object": MDC, "ends": 87400, "days_left": 1.0, "days_old": None}
    ]
    found = verifier(node(fake, text), days=3).verify()
    assert found["problems"] == [f"The context of {MDC} ends in 1 days."]


def test_what_servers_are_asked():
    names = ("nodemap.*.exports", "mgs.MGS.exports.*.uuid", "mdt.*.num_exports", "obdfilter.*.num_exports")
    assert names == exports.PARAMETERS


def test_a_server_finds_who_is_connected_without_saying_who_it_is(fake):
    rows = [
        ("10.77.0.41@tcp", CLIENT, "fs1-MDT0000"),
        ("10.77.0.42@tcp", CLIENT.replace("0d", "1d"), "fs1-MDT0000"),
        ("0@lo", CLIENT, "fs1-MDT0000"),
        ("10.77.0.12@tcp", "fs1-MDT0001-mdtlov_UUID", "fs1-MDT0000"),
        ("10.77.0.43@tcp", CLIENT, "fs2-MDT0000"),
    ]
    found = verifier(node(fake, served("10.77.0.41@tcp"), export_list(*rows))).verify()
    assert told(found) == [("anonymous", True), ("anonymous", False), ("anonymous", False)]
    assert "10.77.0.42@tcp is connected to fs1-MDT0000 without a valid security context" in found["problems"][0]
    assert found["problems"][0].endswith("and evict it if it does not switch.")
    # a server is not told to be evicted
    assert found["problems"][1].startswith("MDT0001 of 10.77.0.12@tcp is connected to fs1-MDT0000 without a valid")
    assert "evict" not in found["problems"][1]


def test_servers_must_say_who_they_are_to_each_other_where_the_rules_ask(fake):
    rows = [
        ("10.77.0.11@tcp", "fs1-MDT0000-mdtlov_UUID", "fs1-OST0000"),
        ("10.77.0.11@tcp", "fs1-MDT0000-lwp-OST0000_UUID", "fs1-OST0000"),
        ("10.77.0.41@tcp", CLIENT, "fs1-OST0000"),
    ]
    rules = [{"target": "fs1", "direction": "mdt2ost", "flavor": "skpi"}]
    found = verifier(node(fake, "", export_list(*rows)), rules).verify()
    assert told(found) == [("anonymous", False)] and "MDT0000 of 10.77.0.11@tcp" in found["problems"][0]
    found = verifier(node(fake, "", export_list(*rows)), [{**rules[0], "direction": "mdt2mdt"}]).verify()
    assert told(found) == []


def test_a_context_of_another_mechanism_is_not_what_is_wanted(fake):
    """After a change from Kerberos to shared keys: the old context is valid, and says nothing of the new keys."""
    rows = [("10.77.0.41@tcp", CLIENT, "fs1-MDT0000")]
    text = served("10.77.0.41@tcp")
    found = verifier(node(fake, text, export_list(*rows)), [{"target": "fs1", "flavor": "skpi"}]).verify()
    assert told(found) == [("anonymous", False)]
    assert "is connected to fs1-MDT0000 with a context of krb5 only, where skpi is wanted" in found["problems"][0]


def test_whose_name_is_not_known_must_say_who_it_is(fake):
    found = verifier(node(fake, "", export_list(("10.77.0.41@tcp", "some_UUID", "fs1-MDT0000")))).verify()
    assert told(found) == [("anonymous", False)]


def test_who_is_connected_to_the_mgs(fake):
    listed = (
        f"mgs.MGS.exports.0@lo.uuid={CLIENT}\nmgs.MGS.exports.10.77.0.41@tcp.uuid=\n{CLIENT}\n{CLIENT.replace('0d', '1d')}\n"
        f"mgs.MGS.exports.10.77.0.42@tcp.uuid={CLIENT}\nmgs.MGS.exports.10.77.0.43@tcp.uuid=\n"
    )
    text = served("10.77.0.41@tcp", device="mgs.MGS")
    rules = [{"target": "_mgs", "flavor": "krb5p"}]
    found = verifier(node(fake, text, listed), rules).verify()
    assert told(found) == [("anonymous", True), ("anonymous", True), ("anonymous", False)]
    assert (
        found["problems"][0].startswith("10.77.0.42@tcp is connected to MGS without")
        and "evict" not in found["problems"][0]
    )
    assert told(verifier(node(fake, text, listed)).verify()) == [], (
        "the rules of a file system are not those of the MGS"
    )


def test_targets_without_a_list_of_who_is_connected_are_a_problem(fake):
    found = verifier(node(fake, "", "mdt.fs1-MDT0000.num_exports=7\n")).verify()
    assert "there are targets and no list" in found["problems"][0]
    assert verifier(node(fake, "", "mdt.fs1-MDT0000.num_exports=7\n" + export_list())).verify()["healthy"]


@pytest.mark.parametrize(
    ("rules", "asked"),
    [
        ([{"target": "fs1", "direction": "cli2mdt", "flavor": "skpi"}], True),
        ([{"target": "fs1", "direction": "cli2ost", "flavor": "skpi"}], False),
        ([{"target": "fs1", "flavor": "skpi"}, {"target": "fs1", "direction": "cli2mdt", "flavor": "null"}], False),
        ([{"target": "fs1", "flavor": "plain"}], False),
        ([{"target": "fs1-MDT0000", "flavor": "skpi"}], True),
        ([{"target": "fs1", "network": "tcp", "flavor": "skpi"}], False),
    ],
)
def test_clients_must_say_who_they_are_only_where_the_rules_ask(fake, rules, asked):
    found = verifier(node(fake, "", export_list(("10.77.0.41@tcp", CLIENT, "fs1-MDT0000"))), rules).verify()
    assert bool(found["checks"]) == asked


@pytest.mark.parametrize(("release", "asked"), [("2.16.1", ["10.77.1.41@tcp1"]), ("2.17.0", [])])
def test_who_comes_from_a_network_with_a_rule_must_say_who_it_is(fake, release, asked):
    rows = export_list(*((nid, CLIENT, "fs1-MDT0000") for nid in ("10.77.0.41@tcp", "10.77.1.41@tcp1")))
    rules = [{"target": "fs1", "network": "tcp1", "direction": "cli2mdt", "flavor": "skpi"}]
    whole = f"version={release}\n"
    nids = [(("lctl", "list_nids"), "10.77.0.11@tcp\n")] if asked else []
    found = verifier(fake([(READ, whole), *nids, (READ, whole), (READ, rows)]), rules).verify()
    assert [check["object"].partition(" ")[0] for check in found["checks"]] == asked


@pytest.mark.parametrize(("offset", "words"), [(0, ""), (200, "200 s behind"), (-200, "200 s ahead of")])
def test_clocks(fake, offset, words):
    found = verifier(fake([]), [], controller_time=1000.0 + offset).verify()
    assert told(found) == [("clock", not words)]
    assert words in "".join(found["problems"])


def test_a_node_without_rules_and_clock_is_asked_nothing(fake):
    assert verifier(fake([]), []).verify() == {"checks": [], "problems": [], "healthy": True, "ends": [], "remarks": []}


def test_the_time_of_the_controller_is_right_in_every_time_zone():
    """Ansible's now(utc=true) has no zone: its timestamp() is wrong by the controller's offset from UTC."""
    files = [path for part in ("playbooks", "roles", "plugins", "docs") for path in (ROOT / part).rglob("*.*")]
    texts = {path: path.read_text(encoding="utf-8") for path in files if path.suffix in (".yml", ".py", ".md")}
    assert [path for path, text in texts.items() if re.search(r"now\(utc=[Tt]rue\)\.timestamp", text)] == []
    assert sum("now().timestamp()" in text for text in texts.values()) >= 3


def test_the_list_of_connections_is_read_as_recorded():
    found = exports.parse(load_transcript("nodemap/exports").out.partition("=")[2])
    assert len(found) > 10 and {export.nid for export in found} == {"0@lo"}
    assert {export.device for export in found if export.of_client} == {
        f"lustre-{target}" for target in ("MDT0000", "MDT0001", "OST0000", "OST0001")
    }
    assert exports.parse("[]") == [] and exports.parse("") == []


@pytest.mark.parametrize("text", ["[\n { nid: 10.0.0.1@tcp }\n]", "nonsense", "[\n { nid: x, uuid: y, dev: z },\n]"])
def test_any_other_list_stops(text):
    with pytest.raises(UnknownOutput, match="who is connected"):
        exports.parse(text)


def test_an_unknown_list_is_a_problem_and_not_silence(fake):
    found = verifier(node(fake, "", "nodemap.default.exports=\n[\n { what: ever }\n]\n")).verify()
    assert not found["healthy"] and "who is connected" in found["problems"][0]


def test_bad_rules_are_named():
    with pytest.raises(BadValue, match=r"rules\[0\]"):
        SecurityVerifier.from_options(None, [{"target": "fs1", "flavor": "krb5x"}])


def test_a_user_without_a_ticket_is_told_and_no_problem(fake):
    """Contexts of a mount with krb5p: root's, and one of a user that never came up."""
    own = connected(MDC, "krb5p").replace("srpc_contexts=", "srpc_contexts=\n")
    broken = own.replace(AGREED, f"{AGREED}\n{BROKEN.replace('uid: 0', 'uid: 2001')}")
    found = verifier(node(fake, broken), waiting=lambda: [Waiting(812, "ls /mnt/fs1", "alice", 2001, 312.0)]).verify()
    assert found["healthy"] and found["problems"] == []
    (told,) = found["remarks"]
    assert told.startswith(
        "uid 2001 uses a file system with a Kerberos flavor here and has no ticket"
    ) and told.endswith("kill 812.")


def test_where_no_user_needs_a_ticket_nobody_is_looked_for(fake):
    text = connected(MDC, "skpi") + connected(OSC, "krb5p")
    rules = [
        {"target": "fs1", "direction": "cli2mdt", "flavor": "skpi"},
        {"target": "fs1", "direction": "cli2ost", "flavor": "krb5p"},
    ]
    assert verifier(node(fake, text), rules, waiting=lambda: pytest.fail("/proc was read")).verify()["remarks"] == []
