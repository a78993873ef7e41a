# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The check of a whole site, beyond the cases of tests/bad_input: whatever is written, it is told, never a traceback."""

from __future__ import annotations

import copy
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.plugin_utils._site import inventory, parse, rules
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import (
    Findings,
    SiteError,
    did_you_mean,
    listed,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import plain
from ansible_collections.lustre.core.plugins.plugin_utils._site.slice import node_state
from tests.bad_input import harness
from tests.unit.hypotheses import examples
from tests.unit.site_support import ROOT, calls_of

BASE = harness.base()
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 70000),
    st.floats(allow_nan=False),
    st.sampled_from(
        [
            "",
            "fs1",
            "fs2",
            "oss1",
            "tcp",
            "10.0.0.1@tcp",
            "/x",
            "{index}",
            "{",
            "[",
            "a[1-",
            "{{ x }}",
            "0-3",
            "\n",
            "é",
        ]
    ),
    st.text(max_size=8),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["name", "index", "servers", "hosts", "net", "device", "path", "nids", "zzz"]),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=6,
)


def places(value, path=()):
    """Every place of the description."""
    found = [path] if path else []
    if isinstance(value, dict):
        found += [place for key, item in value.items() for place in places(item, (*path, key))]
    if isinstance(value, list):
        found += [place for number, item in enumerate(value) for place in places(item, (*path, number))]
    return found


PLACES = places({key: BASE[key] for key in ("lustre_filesystems", "lustre_lnet", "hosts")})


@examples(80)
@given(st.lists(st.tuples(st.sampled_from(PLACES), ANYTHING), min_size=1, max_size=3))
def test_no_value_anywhere_raises_anything(changes) -> None:
    site = copy.deepcopy(BASE)
    for path, value in changes:
        owner = site
        try:
            for step in path[:-1]:
                owner = owner[step]
            owner[path[-1]] = value
        except (TypeError, KeyError, IndexError):
            continue
    if not isinstance(site["hosts"], dict) or not all(isinstance(own, dict) for own in site["hosts"].values()):
        return  # Ansible itself sees to that
    found = harness.findings(site)
    for problem in found.problems + found.warnings:
        assert re.match(r"lustre_filesystems|lustre_lnet|host ", problem.path), problem
        assert problem.what
    for host in ("client1", "oss1", "router1"):
        try:
            node_state(site["lustre_filesystems"], host, site["hosts"], site["groups"], site["lustre_lnet"])
        except SiteError as error:
            assert error.problems


@given(ANYTHING, ANYTHING)
@examples(40)
def test_no_description_raises_anything(filesystems, lnet) -> None:
    rules.check(filesystems, lnet, BASE["hosts"], BASE["groups"])
    findings = Findings()
    inventory.members(parse.site(filesystems, lnet, findings), set())
    inventory.declared(lnet, findings)


@pytest.mark.parametrize("group", ["lustre_lnet", "hosts", "lustre_filesystems"])
def test_null_is_as_good_as_nothing(group) -> None:
    assert harness.findings({**BASE, group: {} if group == "hosts" else None}) is not None


def test_every_rule_is_named_once_and_says_something() -> None:
    names = [rule.name for rule in rules.RULES]
    assert len(names) == len(set(names)) >= 60
    assert all(rule.says.endswith((".", ")")) for rule in rules.RULES)


def test_what_needs_variables_is_left_while_an_inventory_is_read() -> None:
    site = copy.deepcopy(BASE)
    for variables in site["hosts"].values():
        variables.clear()
    arguments = (site["lustre_filesystems"], site["lustre_lnet"], site["hosts"], site["groups"])
    assert not rules.check(*arguments, complete=False)[1].problems
    assert rules.check(*arguments)[1].problems


def test_an_error_lists_all_and_counts() -> None:
    findings = Findings()
    for number in range(2):
        findings.add(f"a[{number}]", "is wrong", "Correct it.", "x")
    findings.add("a[1]", "is wrong", "Correct it.", "x")
    with pytest.raises(SiteError) as caught:
        findings.stop_if_any("Nothing works")
    assert str(caught.value).splitlines() == [
        "Nothing works: 2 problems. No host was touched.",
        "  1. a[0]: is wrong. Correct it.",
        "  2. a[1]: is wrong. Correct it.",
    ]
    assert caught.value.facts() == {"errors": ["a[0]: is wrong. Correct it.", "a[1]: is wrong. Correct it."]}


def test_suggestions() -> None:
    assert did_you_mean("os1", ["oss1", "mds1"]) == 'Did you mean "oss1"?'
    assert did_you_mean("zzz", ["oss1"]) == ""
    assert did_you_mean("client19999x", [f"client{n}" for n in range(20000)]) == 'Did you mean "client19999"?'
    assert listed("abcdefg", 2) == "a, b and 5 more"


def test_plain_takes_off_what_others_wrap() -> None:
    class Tagged(str):
        def __str__(self) -> str:
            return "tagged"

    class Whole(int):
        pass

    found = plain({Tagged("a"): [Tagged("b"), Whole(3), True, None, 1.5]})
    assert found == {"a": ["b", 3, True, None, 1.5]}
    assert {type(item) for item in found["a"]} == {str, int, bool, type(None), float}
    assert type(next(iter(found))) is str


def test_a_large_site_is_checked_by_some_calls_for_each_host() -> None:
    """500 servers, 2,000 OSTs, 20,000 clients on 20 networks behind routers; variables of clients are not read."""
    hosts = {f"oss{n:03d}": {"ansible_host": f"10.2.{n // 250}.{n % 250 + 1}"} for n in range(500)}
    hosts |= {name: BASE["hosts"][name] for name in ("mds1", "mds2")}
    nets = [{"net": "tcp", "hosts": ["lustre_servers"], "interfaces": ["eth0"]}]
    groups = {"lustre_servers": list(hosts), "lustre_oss": [name for name in hosts if name.startswith("oss")]}
    for rack in range(20):
        name, net = f"router{rack:02d}", f"tcp{rack + 1}"
        hosts[name] = {
            "lustre_nids": [f"10.3.0.{rack + 1}@tcp", f"10.{100 + rack}.0.1@{net}"],
            "lustre_interfaces": {"tcp": ["a"], net: ["b"]},
        }
        groups[f"rack{rack}"] = [f"client{rack * 1000 + n:05d}" for n in range(1000)]
        nets.append({"net": net, "hosts": [f"rack{rack}"], "interfaces": ["eth0"]})

    class Unread(dict):
        def __getitem__(self, host):
            assert not host.startswith("client"), "the variables of a client are read"
            return super().__getitem__(host)

    clients = [name for rack in range(20) for name in groups[f"rack{rack}"]]
    everybody = Unread({**hosts, **{name: {} for name in clients}})
    groups |= {
        "lustre_mgs": ["mds1", "mds2"],
        "lustre_mds": ["mds1", "mds2"],
        "lustre_router": [f"router{rack:02d}" for rack in range(20)],
        "lustre_client": clients,
        "all": list(everybody),
    }
    osts = [
        {
            "index": f"{n * 4}-{n * 4 + 3}",
            "servers": [f"oss{n:03d}", f"oss{n ^ 1:03d}"],
            "device": "/dev/disk/by-id/ost{index}",
        }
        for n in range(500)
    ]
    filesystem = {
        **BASE["lustre_filesystems"][0],
        "osts": osts,
        "clients": [{"hosts": ["lustre_client"], "path": "/mnt/fs1"}],
    }
    lnet = {"networks": nets, "routers": ["lustre_router"]}
    (_site, found, *_rest), calls = calls_of(lambda: rules.check([filesystem], lnet, everybody, groups))
    assert [str(problem) for problem in found.problems[:3]] == []
    assert calls < 250 * len(everybody), calls


def test_the_reference_page_is_up_to_date() -> None:
    scope: dict[str, object] = {"__name__": "generator", "__file__": str(ROOT / "docs" / "generate_site_reference.py")}
    code = (ROOT / "docs" / "generate_site_reference.py").read_text(encoding="utf-8")
    exec(compile(code, scope["__file__"], "exec"), scope)
    page = (ROOT / "docs" / "site_description.md").read_text(encoding="utf-8")
    assert page == scope["page"](), "run docs/generate_site_reference.py"
    assert all(f"| {rule.name} |" in page for rule in rules.RULES)
