"""The description of a site: whatever YAML gives, its errors name a path; what is valid goes through to the modules' options."""

from __future__ import annotations

import copy
import datetime
import json
from typing import Any

import yaml
from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.module_utils._node import options_of, parts_of
from ansible_collections.lustre.core.plugins.module_utils._resources.zpool import ZpoolResource
from ansible_collections.lustre.core.plugins.plugin_utils._site import inventory, parse, rules
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import Findings, SiteError
from ansible_collections.lustre.core.plugins.plugin_utils._site.slice import node_state
from tests.unit.hypotheses import examples
from tests.unit.site_support import DEMO, AskedHosts, SiteFile

DEMO_FILE: dict[str, Any] = yaml.safe_load((DEMO / "site.lustre.yml").read_text(encoding="utf-8"))
WORDS = (
    "", "fs1", "mds1", "0-3", "3-0", "0-99999", "a[1-", "a[1-3]", "[[1]]", "{index}", "{nope}", "{index:09999999d}", "{{ x }}",
    "10.0.0.1@tcp", "@tcp", "10.0.0.[1-9]@tcp0", "tcp", "tcp99999", "/dev/sda", "/dev/disk/by-id/x", "/", "../..", "on", "²",
    "\0", "\ufffd", "x" * 5000, "auto", "10.0.0.1+", "fe80::1+9@tcp", "1" * 5000, "a[1-999999999999]",
)  # fmt: skip
scalars = (
    st.sampled_from(WORDS)
    | st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**30, -1, 0, 65504])
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([datetime.date(2026, 1, 1), datetime.datetime(2026, 1, 1, 12), b"bytes"])
)
keys = (
    st.sampled_from(
        ["name", "hosts", "index", "servers", "device", "mgs", "nids", "of", "params", "format", "state", "net"]
    )
    | scalars
)
yaml_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in nested lists and mappings, as the keys that lead there."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *(place for key, item in inner for place in places(item, (*way, key)))]


def put(whole: Any, way: tuple[Any, ...], value: Any) -> Any:
    if not way:
        return value
    whole[way[0]] = put(whole[way[0]], way[1:], value)
    return whole


def look(config: Any) -> None:
    """All that reads a description: none of it may raise anything but its typed error."""
    config = config if isinstance(config, dict) else {}
    findings = Findings()
    declared = inventory.declared(config.get("hosts"), findings)
    inventory.check_top(config, findings)
    filesystems, lnet = config.get("filesystems"), config.get("lnet")
    kerberos = config.get("kerberos")
    site = parse.site(filesystems, lnet, findings, kerberos)
    hosts, groups = inventory.overlay({}, {}, declared, site)
    _site, found = rules.check(filesystems, lnet, hosts, groups, kerberos=kerberos)
    for problem in (*findings.problems, *found.problems, *found.warnings):
        assert problem.path and problem.what and problem.fix, problem
        assert len(str(problem)) < 2000, "nobody reads that"
    for host in list(hosts)[:4]:
        try:
            node_state(filesystems, host, AskedHosts(hosts, groups), groups, lnet, kerberos=kerberos)
        except SiteError as error:
            assert all(problem.path for problem in error.problems)
        except LustreError as error:
            assert str(error)


@examples(60)
@given(value=yaml_values, number=st.integers(0, 10**6), more=st.booleans(), data=st.data())
def test_the_demo_with_anything_in_any_place(value: Any, number: int, more: bool, data: st.DataObject) -> None:
    config = copy.deepcopy(DEMO_FILE)
    ways = places(config)
    config = put(config, ways[number % len(ways)], value)
    if more and isinstance(config, dict):
        ways = places(config)
        config = put(config, data.draw(st.sampled_from(ways)), data.draw(yaml_values))
    look(config)


@examples(60)
@given(
    value=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("hosts", "filesystems", "lnet", "kerberos", "vars"), yaml_values)
    )
)
def test_anything_at_all(value: Any) -> None:
    look(value)


def test_an_empty_key_and_an_endless_name_are_told_in_a_sentence_that_is_read() -> None:
    """Found by a long run: a problem without a path, and one of 5,158 letters."""
    look({"": ""})
    look({"hosts": {"1" * 2500: "a[1-"}})
    look({"hosts": {"1" * 2500 + "[1-": {"nids": "x" * 2500}}})


# ---- what is valid ---------------------------------------------------------------------------


@st.composite
def valid_sites(draw: st.DrawFn) -> dict[str, Any]:
    """Servers in pairs, one or two networks, one or two file systems, clients; nothing wrong with any of it."""
    pairs, clients = draw(st.integers(1, 3)), draw(st.integers(0, 4))
    servers = [f"s{number}" for number in range(2 * pairs)]
    routed = draw(st.booleans())
    hosts: dict[str, Any] = {
        name: {"ansible_host": f"10.0.0.{n + 1}", "nids": [f"10.77.0.{n + 1}@tcp"]} for n, name in enumerate(servers)
    }
    for number in range(clients):
        net = "tcp1" if routed and number % 2 else "tcp"
        hosts[f"c{number}"] = {
            "ansible_host": f"10.1.0.{number + 1}",
            "nids": [f"10.77.{9 if net == 'tcp1' else 0}.{100 + number}@{net}"],
        }
    networks = [
        {
            "net": "tcp0",
            "hosts": [*servers, *(f"c{n}" for n in range(clients) if not (routed and n % 2))],
            "interfaces": ["eth0"],
        }
    ]
    lnet: dict[str, Any] = {"networks": networks}
    far = [f"c{n}" for n in range(clients) if routed and n % 2]
    if far:
        hosts["router"] = {
            "ansible_host": "10.0.0.200",
            "nids": ["10.77.0.200@tcp", "10.77.9.200@tcp1"],
            "interfaces": {"tcp": ["eth0"], "tcp1": ["eth1"]},
        }
        networks.append({"net": "tcp1", "hosts": far, "interfaces": ["eth1"]})
        lnet["routers"] = ["router"]
    lnet.update(draw(st.sampled_from([{}, {"discovery": True}, {"global": {"retry_count": 3}}, {"purge": ["routes"]}])))
    filesystems = [draw(filesystem("fs1", servers, clients, None))]
    if draw(st.booleans()):
        filesystems.append(draw(filesystem("data2", servers, clients, "fs1")))
    return {"plugin": "lustre.core.site", "hosts": hosts, "lnet": lnet, "filesystems": filesystems}


@st.composite
def filesystem(draw: st.DrawFn, name: str, servers: list[str], clients: int, mgs_of: str | None) -> dict[str, Any]:
    backend = draw(st.sampled_from(["ldiskfs", "ldiskfs", "zfs"]))

    def pair() -> list[str]:
        first = draw(st.integers(0, len(servers) // 2 - 1)) * 2
        own = servers[first : first + 2]
        return draw(st.sampled_from([own, own[::-1], own[:1]]))

    def device(label: str) -> str:
        return f"{name}{label}pool/{label}" if backend == "zfs" else f"/dev/disk/by-id/wwn-{name}-{label}"

    def target(label: str, **more: Any) -> dict[str, Any]:
        made: dict[str, Any] = {"servers": pair(), "device": device(label), **more}
        if backend == "zfs" and draw(st.booleans()):
            disks = [f"/dev/disk/by-id/wwn-{name}-{label}-{number}" for number in range(2)]
            made["zpool"] = {"vdevs": [{"type": "mirror", "devices": disks}], "properties": {"ashift": 12}}
        return {
            **made,
            **draw(
                st.sampled_from(
                    [
                        {},
                        {"tune": True},
                        {"format": True},
                        {"params": {"ost.x": 1}},
                        {"mount_options": "abort_recov_mdt"},
                    ]
                )
            ),
        }

    mdts = [target(f"mdt{index}", index=index) for index in range(draw(st.integers(1, 2)))]
    osts = [
        target(f"ost{index}", index=index)
        for index in draw(st.lists(st.integers(0, 300), min_size=1, max_size=3, unique=True))
    ]
    mgs: dict[str, Any] = {"of": mgs_of} if mgs_of else draw(st.sampled_from([{"combined": True}, target("mgt")]))
    made: dict[str, Any] = {
        "name": name,
        "backend": backend,
        "mgs": mgs,
        "mdts": mdts,
        "osts": osts,
        "format": draw(st.booleans()),
    }
    hosts = [f"c{number}" for number in range(clients)]
    if hosts:
        mount: dict[str, Any] = {
            "hosts": draw(st.lists(st.sampled_from(hosts), min_size=1, unique=True)),
            "path": f"/mnt/{name}",
        }
        mount.update(
            draw(
                st.sampled_from(
                    [
                        {},
                        {"options": ["flock"]},
                        {"automount": True},
                        {"boot": False},
                        {"state": "absent"},
                        {"timeout": 60},
                    ]
                )
            )
        )
        made["clients"] = [mount]
        if draw(st.booleans()) and mount.get("state") != "absent":
            made["directories"] = [{"path": "/projects", "mode": "2775"}, {"path": "/projects/a"}]
            made["clients"].append({"hosts": [hosts[0]], "path": f"/mnt/{name}-sub", "subdir": "/projects"})
    made["params"] = draw(
        st.sampled_from(
            [
                {},
                {f"osc.{name}-*.max_dirty_mb": 64},
                [{"name": f"llite.{name}-*.max_cached_mb", "value": "128M", "scope": "mount"}],
            ]
        )
    )
    return made


@examples(40)
@given(config=valid_sites())
def test_a_valid_site_goes_through_to_the_modules(config: dict[str, Any]) -> None:
    made = SiteFile(config)
    groups = {**made.groups, "all": list(made.hosts)}
    _site, found = rules.check(made.filesystems, made.lnet, made.hosts, groups)
    assert not found.problems, [str(problem) for problem in found.problems]
    event(f"{len(made.hosts)} hosts")
    targets: list[str] = []
    for host in made.hosts:
        state = made.node(host)
        json.dumps(state)
        parts_of(options_of({"want": state, "phases": None}))
        ZpoolResource.from_options([{k: v for k, v in pool.items() if k != "primary"} for pool in state["zpools"]])
        targets += [target["label"] for target in state["targets"]]
        assert [target["device"] for target in state["targets"]] == [
            mount["device"] for mount in state["mounts"] if mount["kind"] == "target" and mount["state"] == "mounted"
        ]
    # each target has exactly one host that formats it
    described = [
        f"{fs['name']}-{kind}{t['index']:04x}"
        for fs in made.filesystems
        for kind, name in (("MDT", "mdts"), ("OST", "osts"))
        for t in fs[name]
    ]
    described += ["MGS" for fs in made.filesystems if "device" in fs["mgs"]]
    assert sorted(targets) == sorted(described)
