"""Security of RPCs as a real Lustre prints it: rules, flavors in force, contexts of both ends."""

from __future__ import annotations

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import lctl_params, srpc
from ansible_collections.lustre.core.plugins.module_utils._errors import UnknownOutput


def values(recorded):
    return lctl_params.parse(recorded.out, recorded.err).values


def test_rules_of_a_file_system(transcript):
    text = transcript("security/mgs-live-skn").out
    assert srpc.parse_rules(text) == [srpc.Rule("lustre", "skn")]
    assert srpc.parse_targets(text) == ["lustre-MDT0000", "lustre-MDT0001", "lustre-OST0000", "lustre-OST0001"]
    assert srpc.parse_rules(transcript("security/mgs-live").out) == []
    both = srpc.parse_rules(transcript("ssk-remote/srv-flavor-both").out)
    assert both == [srpc.Rule("lustre", "ski", "tcp"), srpc.Rule("lustre", "skpi")]
    ways = srpc.parse_rules(transcript("security/flavor-ski").out)
    assert [rule.name for rule in ways] == ["lustre.srpc.flavor.tcp.cli2ost", "lustre.srpc.flavor.tcp.cli2mdt"]


def test_rules_of_the_mgs_itself():
    assert srpc.parse_self_rules("_mgs.srpc.flavor.default=krb5p\n") == [srpc.Rule("_mgs", "krb5p")]
    assert srpc.parse_self_rules("") == []


@pytest.mark.parametrize(
    "line",
    [
        "lustre.srpc.flavor.default",
        "lustre.srpc.default=skpi",
        "lustre.srpc.flavor.default.cli2mdt=skpi nosuch",
        "nosuch line",
    ],
)
def test_an_unknown_rule_stops(line):
    with pytest.raises(UnknownOutput):
        srpc.parse_rules(f"fsname: lustre\n\nSecure RPC Config Rules:\n{line}\n\n")
    with pytest.raises(UnknownOutput):
        srpc.parse_self_rules(f"{line}\n")


def test_no_heading_is_no_empty_list():
    with pytest.raises(UnknownOutput):
        srpc.parse_rules("fsname: lustre\nflags: 0x20     gen: 20\n")


def test_flavors_in_force(transcript):
    found = {
        name: srpc.parse_info(text)
        for name, text in values(transcript("ssk-remote/cli-srpc_info-2")).items()
        if name.endswith(".srpc_info")
    }
    by_name = {name.split("-ff")[0]: info.rpc for name, info in found.items()}
    assert by_name == {
        "mdc.lustre-MDT0000-mdc": "skpi",
        "mdc.lustre-MDT0001-mdc": "skpi",
        "osc.lustre-OST0000-osc": "null",
        "osc.lustre-OST0001-osc": "skpi",
        "osc.lustre-OST0002-osc": "skpi",
        "mgc.MGC10.0.2.15@tcp.srpc_info": "null",
    }
    assert next(iter(found.values())) == srpc.Info("skpi", "skpi", ("rootonly", "udesc"), 1)
    assert [info.flags for info in found.values() if info.rpc == "null"] == [(), ()]


def test_a_flavor_that_is_not_said_stops():
    with pytest.raises(UnknownOutput):
        srpc.parse_info("bulk flavor:\tnull\nflags:\t\t-,\nnctx:\t1\n")


def test_connections_of_a_server(transcript):
    names = [name.removesuffix(".srpc_info") for name in values(transcript("security/srpc_info-null"))]
    found = {connection for name in names if (connection := srpc.connection(name))}
    told = {(c.type, c.target, c.owner, c.direction) for c in found}
    assert ("mdc", "lustre-MDT0001", "client", "cli2mdt") in told
    assert ("osc", "lustre-OST0001", "client", "cli2ost") in told
    assert ("osp", "lustre-MDT0000", "MDT0001", "mdt2mdt") in told
    assert ("osp", "lustre-OST0001", "MDT0000", "mdt2ost") in told
    assert ("lwp", "lustre-MDT0000", "OST0000", "") in told
    assert ("mgc", "MGS", "client", "") in told
    assert len([c for c in found if c.type == "osp"]) == 6, "osc.X and osp.X of a server are one connection"
    assert not [c for c in found if c.type == "osc" and c.owner != "client"]
    assert srpc.connection("mdt.lustre-MDT0000") is None


def test_contexts_of_a_client(transcript):
    found = {
        name: srpc.parse_contexts(text) for name, text in values(transcript("ssk-remote/cli-srpc_contexts-2")).items()
    }
    good = next(iter(found["mdc.lustre-MDT0000-mdc-ff3d526c8886a800.srpc_contexts"]))
    assert good == srpc.Context(0, 1795980830, 604775, True, "sk")
    bad = next(iter(found["osc.lustre-OST0002-osc-ff3d526c8886a800.srpc_contexts"]))
    assert (bad.valid, bad.mechanism, bad.left) == (False, "N/A", 202)
    assert found["mgc.MGC10.0.2.15@tcp.srpc_contexts"] == []


def test_contexts_of_several_users(transcript):
    text = values(transcript("kerberos/cli-root-flushctx"))["mdc.lustre-MDT0000-mdc-ff29f9e605a7c000.srpc_contexts"]
    found = srpc.parse_contexts("\n".join(line for line in text.splitlines() if line.startswith("- {")))
    assert [(context.uid, context.valid) for context in found] == [
        (0, True),
        (2002, False),
        (2001, False),
        (2001, False),
    ]
    assert found[0].mechanism == "krb5 (aes256-cts-hmac-sha384-192)"


def test_contexts_of_a_server(transcript):
    found = values(transcript("kerberos/p-set-multi"))
    contexts = srpc.parse_contexts(found["mdt.lustre-MDT0000.gss.srpc_serverctx"])
    assert [(context.peer, context.valid, context.left) for context in contexts] == [("10.9.0.2@tcp", True, 35959)]


@pytest.mark.parametrize(
    "line",
    [
        '- { uid: 0, expire: 1, delta: 1, flags: [uptodate], mech: "sk" }',
        '- { uid: x, ctxref: 1, expire: 1, delta: 1, flags: [uptodate], hdl: "0x1:0x2", mech: "sk" }',
        '- { uid: 0, ctxref: 1, expire: 1, flags: [uptodate], hdl: "0x1:0x2", mech: "sk" }',
        '- { uid: 0, , expire: 1, delta: 1, flags: [uptodate], hdl: "0x1:0x2", mech: "sk" }',
        "uid 0: valid",
    ],
)
def test_an_unknown_context_stops(line):
    with pytest.raises(UnknownOutput):
        srpc.parse_contexts(line)


def test_a_context_that_ran_out_is_not_valid():
    line = '- { uid: 0, ctxref: 1, expire: 1, delta: -5, flags: [uptodate, cached], hdl: "0x1:0x2", mech: "sk" }'
    assert not srpc.parse_contexts(line)[0].valid


def test_what_protects_less():
    assert srpc.weaker("null", "skn") and srpc.weaker("ski", "krb5p") and srpc.weaker("plain-hash:crc32", "skn")
    assert not srpc.weaker("skpi", "krb5p") and not srpc.weaker("krb5p", "krb5p")
    assert [srpc.mechanism(flavor) for flavor in ("krb5i", "skpi", "null")] == ["krb5", "sk", ""]
