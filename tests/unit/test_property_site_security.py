# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Random sites with tenants: what each host was told fits what the MGS was told, and nobody is locked out."""

from __future__ import annotations

from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._nid_range import span_of_nid, spans_of
from ansible_collections.lustre.core.plugins.module_utils._resources.nodemap_want import wanted_from_options
from ansible_collections.lustre.core.plugins.plugin_utils._site import rules
from tests.unit.hypotheses import examples
from tests.unit.site_support import BY_ID, SiteFile


@st.composite
def sites(draw: st.DrawFn) -> dict[str, Any]:
    """Servers, administrators and tenants at random addresses of one network; one or two file systems of one MGS."""
    names = ["s1", "s2", "s3", *(f"h{number}" for number in range(draw(st.integers(3, 14))))]
    addresses = draw(st.lists(st.integers(1, 700), min_size=len(names), max_size=len(names), unique=True))
    hosts = {name: {"nids": [f"10.0.{a // 256}.{a % 256}@tcp"]} for name, a in zip(names, addresses)}
    clients = draw(st.permutations(names[3:]))
    admins, rest = clients[: draw(st.integers(1, 2))], clients[2:]
    cuts = sorted(draw(st.sets(st.integers(0, len(rest)), max_size=4)))
    tenants = [
        {
            "name": f"t{number}",
            "hosts": members,
            "ranges": [f"10.1.{number}.[{draw(st.integers(0, 9))}-{draw(st.integers(10, 255))}]@tcp"],
            "offset": {"offset": 100000 * (number + 1)},
            "subdir": f"/tenants/t{number}",
            "mount": {"path": f"/mnt/t{number}"},
        }
        for number, members in enumerate(rest[a:b] for a, b in zip([0, *cuts], cuts))
        if members
    ]
    second = draw(st.booleans())
    default = draw(st.sampled_from([{"deny_mount": True}, {}]))
    mgs_flavor = draw(st.sampled_from([None, "skpi"]))
    filesystems: list[dict[str, Any]] = [
        {
            "name": "fs1",
            "mgs": {"servers": ["s1", "s2"], "device": BY_ID + "mgt", "flavor": mgs_flavor},
            "mdts": [{"index": 0, "servers": ["s1", "s2"], "device": BY_ID + "mdt"}],
            "osts": [{"index": 0, "servers": ["s2"], "device": BY_ID + "ost"}],
            "clients": [{"hosts": admins, "path": "/mnt/fs1"}],
            "flavors": "skpi",
            "ssk": {},
            "nodemaps": {"active": True, "admins": admins, "protect": admins, "default": default},
            "tenants": tenants[:1] if second else tenants,
        }
    ]
    if second:
        filesystems.append(
            {
                "name": "fs2",
                "mgs": {"of": "fs1"},
                "mdts": [{"index": 0, "servers": ["s3"], "device": BY_ID + "mdt2"}],
                "osts": [{"index": 0, "servers": ["s3"], "device": BY_ID + "ost2"}],
                "clients": [{"hosts": admins, "path": "/mnt/fs2"}],
                "flavors": {"cli2mdt": "ska"},
                "ssk": {},
                "tenants": tenants[1:],
            }
        )
    lnet = {"networks": [{"net": "tcp", "interfaces": ["eth0"]}]}
    return {"hosts": hosts, "lnet": lnet, "filesystems": filesystems}


@examples(60)
@given(config=sites())
def test_the_parts_of_a_site_agree_about_nodemaps(config: dict[str, Any]) -> None:
    site = SiteFile(config)
    groups = {**site.groups, "all": list(site.hosts)}
    found = rules.check(site.filesystems, site.lnet, site.hosts, groups)[1]
    assert not found.problems, [str(problem) for problem in found.problems]
    states = {host: site.node(host) for host in site.hosts}
    options = states["s1"]["nodemaps"]
    assert [host for host, state in states.items() if "nodemaps" in state] == ["s1"]
    # The module itself refuses overlaps of ranges and offsets.
    wanted_from_options(options)
    owner = {
        span: entry["name"]
        for entry in options["nodemaps"]
        for text in entry.get("ranges", ())
        for span in spans_of(text)
    }
    event(f"{len(options['nodemaps'])} nodemaps")

    def nodemap_of(nid: str) -> str:
        holding = {name for span, name in owner.items() if span.covers(span_of_nid(nid))}
        assert len(holding) <= 1, f"{nid} is in {holding}"
        return next(iter(holding), "default")

    nid = {host: variables["lustre_nids"][0] for host, variables in site.hosts.items()}
    trusted = {entry["name"] for entry in options["nodemaps"] if entry.get("admin") and entry.get("trusted")}
    assert options["protect"] and {nodemap_of(one) for one in options["protect"]} <= trusted
    servers = [host for host, state in states.items() if {"mgs", "mds", "oss"} & set(state["roles"])]
    admins = config["filesystems"][0]["nodemaps"]["admins"]
    assert {nid[host] for host in [*servers, *admins]} == set(options["protect"])

    held = {key["nodemap"] for key in states["s1"]["ssk_keys"]}
    for host, state in states.items():
        own = nodemap_of(nid[host])
        used = {key["nodemap"] for key in state.get("ssk_keys", ()) if "client" in key["types"]}
        assert used <= {own}, f"{host} is in {own} and has keys for {used}"
        assert used <= held, "a key that no server has opens nothing"
        if state["mounts"]:
            assert used == {own}
        if host not in servers and host not in admins:
            told = {mount["subdir"] for mount in state["mounts"]}
            assert told <= {
                fileset["path"] for e in options["nodemaps"] if e["name"] == own for fileset in e.get("filesets", ())
            }
    # Nobody else got into a nodemap: the ranges of hosts hold exactly these.
    named = [span for span in owner if span.first.startswith("10.0.")]
    assert sum(span.high - span.low + 1 for span in named) == sum(nodemap_of(one) != "default" for one in nid.values())
