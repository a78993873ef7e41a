# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tenants of a whole site: every server is waited for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .rehearsed import HERE, Rehearsed

REACHED = "The nodemaps are in force on this server, too"
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def site() -> Iterator[Rehearsed]:
    with Rehearsed("tenants", HERE / "inventories" / "tenants") as made:
        made.converge()
        yield made


def task(text: str) -> str:
    return text.rpartition(" : ")[2]


def test_every_server_has_the_nodemaps_before_anything_is_mounted(site: Rehearsed) -> None:
    run = site.playbook("tenants")
    assert run.code == 0 and not run.failures, run.told()
    for host in ("mds1", "oss1"):
        assert REACHED in map(task, run.executed(host)), f"{host} did not wait: {run.told()}"
    asked = "lctl get_param -n nodemap.active nodemap.bio.ranges nodemap.bio.fileset"
    shown = {host: site.sh(host, asked) for host in ("mds1", "oss1")}
    assert shown["oss1"] == shown["mds1"] and shown["oss1"].startswith("1"), shown


def test_a_second_run_changes_nothing(site: Rehearsed) -> None:
    again = site.playbook("tenants")
    assert again.code == 0 and again.changed == dict.fromkeys(site.hosts, 0), again.told()


def test_a_run_without_the_mgs_mounts_nothing_while_its_nodemaps_differ(site: Rehearsed) -> None:
    limited = ("tenants", "--limit", "admin1")
    run = site.playbook(*limited)
    assert run.code == 0 and sorted(run.sums) == ["admin1"] and run.changed == {"admin1": 0}, run.told()
    site.sh("mds1", "lctl nodemap_del bio")
    run = site.playbook(*limited)
    assert run.code != 0 and "this run leaves the MGS out" in " ".join(run.text.split()), run.told()
    assert "nodemap bio" in " ".join(run.text.split())
    assert site.playbook("tenants").code == 0
    assert site.playbook(*limited).code == 0
