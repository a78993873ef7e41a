"""What one node tells about its security: every connection is looked at, and only what must switch is waited for."""

from __future__ import annotations

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import lctl_params, srpc
from ansible_collections.lustre.core.plugins.module_utils._cli.keytab_file import FileState
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, ToolMissing, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._readers.security_info import (
    SECTIONS,
    SecurityInspector,
    chosen,
    connections,
)

READ = ("lctl",)
SHOW = ("keyctl", "show", "@u")
RULES = [{"target": "fs1", "flavor": "skpi"}]


#: As lctl shows a context that both ends agreed on, and what is left of an attempt that failed.
AGREED = (
    "- { uid: 0, ctxref: 1, expire: 1795980830, delta: 604775, flags: [uptodate, cached], seq: 1, win: 2048, key: 00000000, "
    'keyref: 0, hdl: "0x15fc3aaa245491a8:0xe2831eb6c1778b94", mech: "sk" }'
)
BROKEN = (
    "- { uid: 0, ctxref: 3, expire: 1795376257, delta: 202, flags: [cached], seq: 0, win: 0, key: 0c081210, keyref: 2, "
    'hdl: "0xffffffffffffffff:0xffffffffffffffff", mech: "N/A" }'
)


def connected(name, flavor, state="FULL", nid="10.77.0.11@tcp", context=None):
    context = (AGREED if flavor.startswith(("sk", "krb5")) else "") if context is None else context
    _kind, target = name.split(".", 1)
    uuid = "-".join(target.split("-")[:2])
    return (
        f"{name}.srpc_info=\nrpc flavor:\t{flavor}\nbulk flavor:\t{flavor}\nflags:\t\trootonly,udesc,\nid:\t\t2\n"
        "refcount:\t3\nnctx:\t1\ngc interval\t3600\ngc next\t3555\n"
        f"{name}.srpc_contexts={context}\n"
        f"{name}.import=\nimport:\n    name: {target}\n    target: {uuid}_UUID\n    state: {state}\n"
        f"    connection:\n       failover_nids: [ {nid} ]\n       current_connection: {nid}\n"
    )


MDC, OSC = "mdc.fs1-MDT0000-mdc-ff3d526c8886a800", "osc.fs1-OST0000-osc-ff3d526c8886a800"


def inspector(run, wait=RULES, gather=("imports",), timeout=30, **system):
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    return SecurityInspector.from_options(run, gather, wait, timeout, sleep=sleep, clock=lambda: now[0], **system)


def test_every_connection_is_waited_for(fake):
    first = "version=2.17.0\n" + connected(MDC, "skpi") + connected(OSC, "null")
    last = "version=2.17.0\n" + connected(MDC, "skpi") + connected(OSC, "skpi")
    run = fake([(READ, first), (READ, first), (READ, last), (READ, last)])
    found = inspector(run).inspect()
    assert (found["in_force"], found["missing"], found["waited"]) == (True, [], 4.0)
    assert [entry["in_force"] for entry in found["imports"]] == [True, True]


def test_after_the_bound_each_is_told(fake):
    text = "version=2.17.0\n" + connected(MDC, "skpi") + connected(OSC, "null")
    found = inspector(fake([(READ, text)] * 5), timeout=5).inspect()
    assert not found["in_force"]
    assert found["missing"] == [f"{OSC} uses null, not skpi, after 6 s (it is FULL, connected to 10.77.0.11@tcp)."]


@pytest.mark.parametrize("context", [BROKEN, ""])
def test_a_flavor_without_a_context_is_not_in_force(fake, context):
    """What srpc_info shows is what is wanted: keys that differ, or a daemon that is silent, show the flavor as well."""
    text = "version=2.17.0\n" + connected(MDC, "skpi") + connected(OSC, "skpi", "DISCONN", context=context)
    found = inspector(fake([(READ, text)] * 5), timeout=5).inspect()
    assert not found["in_force"] and [entry["context"] for entry in found["imports"]] == [True, False]
    assert found["missing"] == [
        f"{OSC} is to use skpi and has no security context after 6 s: nothing was agreed with 10.77.0.11@tcp (it is DISCONN). "
        "The keys of both ends differ, or its daemon lsvcgssd does not answer."
    ]


def test_a_flavor_that_cannot_be_read_is_not_in_force(fake):
    text = "version=2.17.0\n" + connected(MDC, "skpi")
    path = OSC.replace(".", "/", 1)
    said = f"error: read_param: '/sys/kernel/debug/lustre/{path}/srpc_info': Invalid argument\n"
    found = inspector(fake([(READ, (0, text, said))] * 5), timeout=5).inspect()
    assert not found["in_force"] and [entry["in_force"] for entry in found["imports"]] == [True, False]
    assert found["missing"] == [
        f"{OSC} is to use skpi, and its flavor cannot be read: see `lctl get_param {OSC}.srpc_info`."
    ]


def test_of_a_recording_only_the_broken_context_counts(transcript):
    """A client of 2.17.0 with skpi on all connections but one, of which another never came up."""
    shown = transcript("ssk-remote/cli-srpc_info-2").out + transcript("ssk-remote/cli-srpc_contexts-2").out
    found = connections(
        lctl_params.parse(shown, "", ["*.*.srpc_info", "*.*.srpc_contexts"]).values, [srpc.Rule("lustre", "skpi")]
    )
    assert {
        entry["target"]: (entry["flavor"], entry["context"], entry["in_force"]) for entry in found if entry["fsname"]
    } == {
        "lustre-MDT0000": ("skpi", True, True),
        "lustre-MDT0001": ("skpi", True, True),
        "lustre-OST0000": ("null", None, False),
        "lustre-OST0001": ("skpi", True, True),
        "lustre-OST0002": ("skpi", False, False),
    }


def test_inside_the_node_and_idle_ones_are_not_waited_for(fake):
    text = "version=2.17.0\n" + connected("osp.fs1-OST0000-osc-MDT0000", "null", nid="0@lo")
    text += connected(OSC, "null", state="IDLE") + connected(MDC, "skpi")
    found = inspector(fake([(READ, text)] * 2)).inspect()
    assert found["in_force"] and found["waited"] == 0
    assert {entry["name"]: entry["in_force"] for entry in found["imports"]} == {
        "osp.fs1-OST0000-osc-MDT0000": None,
        OSC: None,
        MDC: True,
    }


def test_a_connection_that_is_down_is_waited_for(fake):
    text = "version=2.17.0\n" + connected(MDC, "null", state="DISCONN")
    found = inspector(fake([(READ, text)] * 2), timeout=0).inspect()
    assert not found["in_force"] and "it is DISCONN" in found["missing"][0]


def test_a_server_has_a_connection_once(transcript):
    recorded = transcript("security/srpc_info-null")
    values = lctl_params.parse(recorded.out, "", ["*.*.srpc_info"]).values
    names = [entry["name"] for entry in connections(values, [])]
    assert len(names) == len(set(names)) == 17
    assert all(entry["in_force"] is None for entry in connections(values, []))


@pytest.mark.parametrize(
    ("rules", "net", "release", "flavor"),
    [
        ([("fs1", "default", "", "ski")], "tcp", "2.17.0", "ski"),
        ([("fs1", "default", "", "ski"), ("fs1", "default", "cli2mdt", "skpi")], "tcp", "2.17.0", "skpi"),
        ([("fs1", "default", "", "ski"), ("fs1-MDT0000", "default", "", "krb5p")], "tcp", "2.17.0", "krb5p"),
        ([("fs1", "default", "", "ski"), ("fs1", "tcp", "", "skn")], "tcp", "2.15.6", "skn"),
        ([("fs1", "default", "", "ski"), ("fs1", "tcp", "", "skn")], "tcp", "2.17.0", "ski"),
        ([("fs1", "default", "", "ski"), ("fs1", "tcp", "", "skn")], "tcp1", "2.15.6", "ski"),
        ([("fs2", "default", "", "ski"), ("fs1", "default", "cli2ost", "skn")], "tcp", "2.15.6", None),
    ],
)
def test_the_rule_that_counts(rules, net, release, flavor):
    made = [srpc.Rule(target, flavor, network, way) for target, network, way, flavor in rules]
    assert chosen(made, srpc.connection(MDC), f"10.0.0.1@{net}", release) == flavor


@pytest.mark.parametrize(
    ("own", "flavor"),
    [
        (["tcp"], "null"),
        (["tcp1"], "ski"),
        (["tcp", "tcp1"], "null"),
        (["tcp1", "tcp2"], "skpi"),
        (["tcp3"], "skn"),
    ],
)
def test_a_rule_of_a_network_is_for_connections_that_begin_there(own, flavor):
    """The server is behind a router, on tcp, unless this node is on tcp, too; of several the safest is asked for."""
    rules = [srpc.Rule("fs1", "skn"), srpc.Rule("fs1", "null", "tcp", "cli2mdt")]
    rules += [srpc.Rule("fs1", "ski", "tcp1", "cli2mdt"), srpc.Rule("fs1", "skpi", "tcp2", "cli2mdt")]
    assert chosen(rules, srpc.connection(MDC), "10.0.0.1@tcp", "2.16.1", own) == flavor
    assert chosen(rules, srpc.connection(MDC), "10.0.0.1@tcp", "2.17.0", own) == "skn"


def test_the_networks_of_this_node_are_asked_for_once_and_only_where_they_count(fake):
    rules = [{"target": "fs1", "network": "tcp1", "direction": "cli2mdt", "flavor": "skpi"}]
    text, nids = "version=2.16.1\n" + connected(MDC, "null"), ("lctl", "list_nids")
    run = fake([(READ, text), (nids, "10.1.0.5@tcp1\n"), *([(READ, text)] * 2)])
    found = inspector(run, rules, timeout=1).inspect()
    assert found["missing"] and found["imports"][0]["wanted"] == "skpi"
    ignored = "version=2.17.0\n" + connected(MDC, "null")
    assert inspector(fake([(READ, ignored)] * 2), rules).inspect()["in_force"]


def test_the_mgs_has_rules_of_its_own():
    mgc, lwp = srpc.connection("mgc.MGC10.0.0.1@tcp"), srpc.connection("lwp.fs1-MDT0000-lwp-OST0000")
    rules = [srpc.Rule("_mgs", "krb5p"), srpc.Rule("fs1", "skpi")]
    assert chosen(rules, mgc, "10.0.0.1@tcp", "2.17.0") == "krb5p"
    assert chosen(rules, lwp, "10.0.0.1@tcp", "2.17.0") is None


def test_all_of_a_node(fake, transcript):
    contexts = transcript("ssk-remote/cli-srpc_contexts-2").out
    server = "".join(
        line for line in transcript("kerberos/p-set-multi").out.splitlines(True) if "srpc_serverctx" in line
    )
    rules = (
        "mgs.MGS.filesystems=\nlustre\nmgs.MGS.srpc_rules=\n_mgs.srpc.flavor.default=skpi\n"
        + transcript("security/mgs-live-skn").out
    )
    gss = "sptlrpc.gss.rsi_upcall=/usr/sbin/l_getauth\nsptlrpc.gss.rsi_entry_expire=600\n"
    run = fake(
        [
            (READ, f"version=2.17.0\n{rules}{contexts}{server}{gss}"),
            (SHOW, transcript("security/load-keys").out),
        ]
    )
    found = inspector(run, [], SECTIONS, keytab_state=lambda path: FileState("missing")).inspect()
    assert found["problems"] == [] and found["in_force"]
    assert [(rule["target"], rule["flavor"]) for rule in found["rules"]] == [("_mgs", "skpi"), ("lustre", "skn")]
    assert [context["valid"] for context in found["contexts"]] == [True, True, True, False]
    assert found["contexts"][0]["days"] == 7.0
    assert {context["peer"] for context in found["server_contexts"]} == {"10.9.0.2@tcp"}
    assert found["gss"] == {"sptlrpc.gss.rsi_upcall": "/usr/sbin/l_getauth", "sptlrpc.gss.rsi_entry_expire": "600"}
    assert found["loaded_keys"] == ["lustre:lustre:default", "lustre:lustre"] and found["keytab"] == []


def test_without_keyutils_nothing_is_loaded(fake):
    run = fake([(READ, "version=2.17.0\n"), (SHOW, ToolMissing("keyctl"))])
    found = inspector(run, [], ("keys",)).inspect()
    assert found["loaded_keys"] == [] and found["problems"] == []


def test_what_cannot_be_read_is_a_sentence(fake):
    text = f"version=2.17.0\n{MDC}.srpc_contexts=- {{ something new }}\n"
    found = inspector(
        fake([(READ, text), (SHOW, (1, "", "Unable to dump key: Operation not permitted\n"))]), [], SECTIONS[2:6]
    )
    told = found.inspect()
    assert len(told["problems"]) == 2 and told["contexts"] == []


def test_a_flavor_that_is_not_said_stops(fake):
    """Nobody may take silence for protection."""
    with pytest.raises(UnknownOutput):
        inspector(fake([(READ, f"version=2.17.0\n{MDC}.srpc_info=\nnew shape\n")])).inspect()
    with pytest.raises(UnknownOutput):
        inspector(fake([(READ, (139, "", "Segmentation fault\n"))])).inspect()


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"gather": ["everything"]}, "gather"),
        ({"timeout": -1}, "timeout"),
        ({"wait": [{"target": "fs1", "flavor": "best"}]}, "wait[0].flavor"),
    ],
)
def test_unusable_options_are_named(options, path):
    with pytest.raises(BadValue) as caught:
        inspector(None, **{"wait": [], **options})
    assert caught.value.path == path
