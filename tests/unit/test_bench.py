# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The benchmark's own logic: budgets are held, sites are usable, and the connection without hosts invents nothing."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.lustre.core.plugins.plugin_utils._site import inventory, parse, rules
from ansible_collections.lustre.core.plugins.plugin_utils._site.hosts import Hosts
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import Findings
from ansible_collections.lustre.core.plugins.plugin_utils._todo import PLAYS, site_todo

ROOT = Path(__file__).parents[2]


def loaded(path: str) -> ModuleType:
    """A file of the benchmark, under a name that nothing else has."""
    name = "bench_" + Path(path).stem
    spec = importlib.util.spec_from_file_location(name, ROOT / path)
    assert spec is not None and spec.loader is not None
    made = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


figures, sites = loaded("tools/bench/figures.py"), loaded("tools/bench/sites.py")
answering = loaded("tests/bench/connection/answering.py")


def test_a_figure_over_its_budget_is_told_and_one_at_it_is_not() -> None:
    found = figures.Figures()
    found.add("tasks_per_client", 6)
    found.add("controller_200_cpu_seconds", 1e6)
    assert found.over() == []
    found.add("tasks_per_server", 13)
    [told] = found.over()
    assert told.startswith("tasks_per_server is 13, over its budget of 12: tasks executed on the server")
    assert [line.split()[3] for line in found.table().splitlines() if line.startswith("tasks_per")] == ["ok", "OVER"]


def test_a_figure_that_nobody_described_is_a_defect() -> None:
    with pytest.raises(LookupError, match=r"figures\.py"):
        figures.Figures().add("speed", 1)


def test_the_longest_name_decides_what_a_ratio_is_of() -> None:
    assert figures.about("converged_over_ping_8").says.startswith("wall time")
    assert "hosts alone" in figures.about("converged_over_ping_8_cpu_hosts").says
    assert figures.about("controller_growth_1000_over_200").budget is not None
    assert figures.about("controller_growth_1000_over_200_wall").budget is None


@pytest.mark.parametrize(
    ("text", "hosts"), [(sites.large(40, 20), 60), (sites.large(150, 110), 260), (sites.rehearsed(20)[0], 20)]
)
def test_its_sites_are_ones_that_the_collection_takes(text: str, hosts: int) -> None:
    config, findings = yaml.safe_load(text), Findings()
    declared = inventory.declared(config["hosts"], findings)
    site = parse.site(config["filesystems"], config["lnet"], findings)
    known, groups = inventory.overlay({}, {}, declared, site)
    servers = {server for fs in site.filesystems for target in fs.targets for server in target.servers}
    rules.check_site(site, Hosts(known, groups, servers), findings)
    assert not findings.problems
    assert len(known) == len(groups["lustre_all"]) == hosts


def test_each_beginning_of_the_rehearsed_hosts_has_servers_and_clients() -> None:
    _text, hosts = sites.rehearsed(20)
    for size in (2, 8, 20):
        kinds = {host.rstrip("0123456789") for host in hosts[:size]}
        assert {"mds", "client"} <= kinds
    assert len(set(hosts)) == 20


def test_the_recorded_answers_are_those_of_hosts_with_nothing_to_do() -> None:
    looks = {path.stem: json.loads(path.read_text()) for path in answering.ANSWERS.glob("*.json")}
    assert set(looks) == {"client", "server"}
    todo = site_todo(looks, {"lustre_mds": ["server"], "lustre_client": ["client"]})
    assert all(not host for play in PLAYS if play in todo["hosts"] for host in [set(looks) & set(todo["hosts"][play])])


def test_the_connection_answers_the_one_module_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    made = answering.Connection.__new__(answering.Connection)
    made._connected = True
    monkeypatch.setattr(answering.Connection, "get_option", lambda self, name: "client")
    for data in (None, b"ansible.modules.ping"):
        with pytest.raises(AnsibleConnectionFailure, match="no recorded answer"):
            made.exec_command("python3", data)
    assert json.loads(made.exec_command("python3", b"..." + answering.MODULE)[1])["results"]
