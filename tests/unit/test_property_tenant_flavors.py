# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Random tenants with flavors on random networks: everybody gets the flavor that is theirs, or the description is refused."""

from __future__ import annotations

from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._resources.flavor_want import rules_from_options
from ansible_collections.lustre.core.plugins.plugin_utils._security import secure_stages
from ansible_collections.lustre.core.plugins.plugin_utils._site import rules
from tests.unit.hypotheses import examples
from tests.unit.site_support import BY_ID, SiteFile

FLAVORS = ("null", "ska", "skpi")
NETS = ("tcp", "tcp1", "tcp2", "tcp3")
WAYS = ("cli2mdt", "cli2ost")


@st.composite
def sites(draw: st.DrawFn) -> dict[str, Any]:
    """Servers on tcp (one perhaps elsewhere), an administrator, up to three tenants; each host on one network or two."""

    def nids(number: int, nets: Any) -> dict[str, Any]:
        return {"nids": [f"10.{NETS.index(net)}.0.{number}@{net}" for net in sorted(nets)]}

    def some(*nets: str) -> Any:
        return draw(st.sets(st.sampled_from(nets), min_size=1, max_size=2))

    count = draw(st.integers(1, 3))
    hosts = {"s1": nids(1, {"tcp"}), "s2": nids(2, {"tcp"} | draw(st.sampled_from([set(), set(), {"tcp3"}])))}
    hosts["admin"] = nids(3, {"tcp"} | draw(st.sampled_from([set(), set(), {"tcp1"}])))
    tenants = []
    for number in range(count):
        hosts[f"h{number}"] = nids(10 + number, some(*NETS[1:]) if draw(st.booleans()) else {NETS[1 + number]})
        tenants.append(
            {
                "name": f"t{number}",
                "hosts": [f"h{number}"],
                "offset": {"offset": 100000 * (number + 1)},
                "mount": {"path": "/mnt/t"},
                **({"flavor": flavor} if (flavor := draw(st.sampled_from([None, *FLAVORS]))) else {}),
            }
        )
    default = draw(
        st.sampled_from([{}, {"default": "ska"}, {"cli2ost": "skpi"}, {"default": "ska", "cli2mdt": "skpi"}])
    )
    filesystem = {
        "name": "fs1",
        "mgs": {"servers": ["s1"], "device": BY_ID + "mgt"},
        "mdts": [{"index": 0, "servers": ["s1"], "device": BY_ID + "mdt"}],
        "osts": [{"index": 0, "servers": ["s2"], "device": BY_ID + "ost"}],
        "clients": [{"hosts": ["admin"], "path": "/mnt/fs1"}],
        "flavors": default,
        "ssk": {},
        "nodemaps": {"active": True, "admins": ["admin"], "default": {"deny_mount": True}},
        "tenants": tenants,
    }
    on = {
        net: [host for host, own in hosts.items() if any(nid.endswith(f"@{net}") for nid in own["nids"])]
        for net in NETS
    }
    lnet = {"networks": [{"net": net, "interfaces": ["eth0"], "hosts": on[net]} for net in NETS if on[net]]}
    return {"hosts": hosts, "lnet": lnet, "filesystems": [filesystem]}


def in_force(found: Any, net: str, direction: str) -> str:
    """As Lustre chooses: the network before the direction, and null where nothing is said."""
    fitting = [r for r in found if r.network in ("default", net) and r.direction in ("", direction)]
    return max(fitting, key=lambda rule: rule.specific).flavor if fitting else "null"


@examples(150)
@given(config=sites())
def test_everybody_has_the_flavor_that_is_theirs(config: dict[str, Any]) -> None:
    site = SiteFile(config)
    problems = rules.check(site.filesystems, site.lnet, site.hosts, {**site.groups, "all": list(site.hosts)})[
        1
    ].problems
    flavored = [problem for problem in problems if problem.rule == "tenant-flavor"]
    filesystem = config["filesystems"][0]
    described = rules_from_options(site.node("s1").get("flavors", {}).get("rules", []))
    common = [rule for rule in described if rule.network == "default"]
    nets = {host: [nid.partition("@")[2] for nid in variables["nids"]] for host, variables in config["hosts"].items()}
    own = {tenant["hosts"][0]: tenant.get("flavor") for tenant in filesystem["tenants"]}

    def wanted(host: str, way: str) -> str:
        return own.get(host) or in_force(common, "default", way)

    ways = [(host, net, way) for host in (*own, "admin") for net in nets[host] for way in WAYS]
    wrong = [place for place in ways if in_force(described, *place[1:]) != wanted(place[0], place[2])]
    named = {rule.network for rule in described} - {"default"}
    assert {rule.direction for rule in described if rule.network in named} <= set(WAYS), "servers keep theirs"
    if wrong:
        assert flavored, f"{wrong} would get another flavor"
    elif not any(named & set(nets[server]) for server in ("s1", "s2")):
        same = {net: {own.get(host) for host in (*own, "admin") if net in nets[host]} for net in named}
        assert not flavored or any(len(flavors) > 1 for flavors in same.values()), [str(one) for one in flavored]
    event("refused" if flavored else f"{len(named)} networks with a rule")
    if flavored:
        return
    for host, net, way in ways:
        told = rules_from_options(site.node(host).get("secured", []))
        assert in_force(told, net, way) == wanted(host, way), f"{host} is told something else than the MGS"
    stages = secure_stages(site.node("s1").get("flavors", {}), [])
    settled = {
        r.name: r for stage in stages for r in rules_from_options(stage["rules"]) if r.name not in stage["purge"]
    }
    assert {rule.name for rule in described} <= set(settled), "the roll-out takes them along"
    assert secure_stages(site.node("s1").get("flavors", {}), [vars(rule) for rule in described]) == []
