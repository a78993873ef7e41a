# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts of the demo restart, at once and in the worst orders: all comes back by itself, in order, and a plan is empty."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import Demo
from .rehearsed import Case, Rehearsed, cases, each, until

CASES = cases("reboot", 5)
#: Seconds for targets and clients to be back: they try again until the servers they need are there.
BOUND = 200.0
CLIENTS = ("client1", "client2", "client3")
_MOUNTS = "awk '$3 ~ /lustre/ {print $1, $2}' /proc/self/mounts | sort"
#: Written before, read after: client2 is behind the router.
KEPT, CONTENT = "/mnt/fs1/projects/kept", "written before the hosts restarted"


def state(site: Rehearsed) -> dict[str, str]:
    """Per host: what of Lustre is mounted, and its NIDs."""
    question = f"{_MOUNTS}; lctl list_nids | sort"
    return {host: site.sh(host, question, code=None) for host in site.hosts}


def entered(site: Rehearsed, host: str, unit: str, moment: str = "ActiveEnter") -> int:
    """When a unit became active: microseconds of the one clock that all hosts share."""
    shown = site.sh(host, f"systemctl show --value --property=ActiveState,{moment}TimestampMonotonic {unit}")
    active, when = shown.split()
    assert active == "active", f"{unit} on {host} is {active}"
    return int(when)


def serving(site: Rehearsed, host: str, unit: str) -> int:
    """The latest moment of which it is sure that a target did not serve before: its mount began.

    It serves before systemd calls its unit active, so that a client's may be active milliseconds before it.
    """
    return entered(site, host, unit, "InactiveExit")


def restart(site: Rehearsed, case: Case) -> list[str]:
    """Take the hosts down as the case says and start them group after group; the hosts that restarted."""
    groups = [site.hosts if group == "all" else group for group in case["groups"]]
    hosts = [host for group in groups for host in group]
    if case["how"] == "reboot":
        site.rehearse("reboot", *hosts)
        return hosts
    site.rehearse("kill" if case["how"] == "power" else "poweroff", *hosts)
    # a host's boot is over when its mounts are there: nobody waits for that before the next ones get their power
    with ThreadPoolExecutor() as starts:
        begun = []
        for number, group in enumerate(groups):
            time.sleep(case["pause"] if number else 0)
            begun.append(starts.submit(site.rehearse, "start", "--wait", str(BOUND), *group))
    assert [start.result() for start in begun]
    return hosts


@pytest.fixture(scope="module")
def whole(demo: Demo) -> dict[str, str]:
    """The demo as it is when all is there."""
    found = state(demo.site)
    assert all(found.values()), found
    return found


@pytest.fixture
def before(demo: Demo, whole: dict[str, str]) -> Iterator[dict[str, str]]:
    """The same before each case; what a failed one left is mended for the next."""
    yield whole
    if missing(whole, state(demo.site)):
        report = json.loads(demo.site.rehearse("status", "--json"))[0]["hosts"]
        off = [host for host in demo.site.hosts if report[host]["state"] != "on"]
        if off:
            demo.site.rehearse("start", *off)
        demo.site.converge()


@each(CASES, all_of_them=False)
def test_everything_comes_back_by_itself(demo: Demo, before: dict[str, str], case: Case) -> None:
    site = demo.site
    site.sh("client2", f"echo '{CONTENT}' >{KEPT}")
    boots = {host: site.sh(host, "cat /proc/sys/kernel/random/boot_id") for host in site.hosts}
    restarted = restart(site, case)
    until(lambda: missing(before, state(site)), BOUND)
    for host, boot in boots.items():
        now = site.sh(host, "cat /proc/sys/kernel/random/boot_id")
        assert (now != boot) == (host in restarted), f"{host} restarted: {now != boot}"
    if sorted(restarted) == site.hosts:
        in_order(site, late=bool(case.get("late")))
    works(site)
    plan = site.playbook("plan", "-e", "lustre_plan_fail_on_drift=true")
    assert plan.code == 0 and not plan.failures, plan.told()
    assert [plan.steps(host) for host in site.hosts] == [[]] * len(site.hosts), plan.told()


def missing(before: dict[str, str], now: dict[str, str]) -> str:
    lost = {host: sorted(set(before[host].splitlines()) - set(now[host].splitlines())) for host in before}
    return "; ".join(f"{host} lacks {', '.join(lines)}" for host, lines in lost.items() if lines)


def works(site: Rehearsed) -> None:
    """Old content is there for everybody, new content reaches everybody."""
    inside = {"client1": "/mnt/fs1/projects", "client2": "/mnt/fs1/projects", "client3": "/mnt/fs1"}
    for host, folder in inside.items():
        assert site.sh(host, f"cat {folder}/kept") == CONTENT, host
        site.sh(host, f"echo 'from {host}' >{folder}/from-{host}")
    for host, folder in inside.items():
        assert site.sh(host, f"cat {folder}/from-*").splitlines() == [f"from {name}" for name in CLIENTS]
    site.sh("client1", "rm /mnt/fs1/projects/kept /mnt/fs1/projects/from-*")


def in_order(site: Rehearsed, late: bool) -> None:
    """LNet before any mount of its host, the MGT before all other targets (unless it is late), MDT0000 before the clients."""
    units = ("lustre-mgs.mount", "lustre-fs1-mdt0000.mount")
    first, second = (entered(site, "mds1", unit) for unit in units)
    assert first < second, "MDT0000 came before the MGS of its own server"
    mgs, mdt0 = (serving(site, "mds1", unit) for unit in units)
    targets = {
        "mds1": ["fs1-mdt0000", "fs2-mdt0000"],
        "mds2": ["fs1-mdt0001"],
        "oss1": ["fs1-ost0000", "fs1-ost0002", "fs2-ost0000"],
        "oss2": ["fs1-ost0001", "fs1-ost0003"],
    }
    for host, names in targets.items():
        lnet = entered(site, host, "lnet.service")
        for name in names:
            mounted = entered(site, host, f"lustre-{name}.mount")
            waited = mgs < mounted or (late and host != "mds1")
            assert lnet < mounted and waited, f"{name} on {host} came too early"
    for client in CLIENTS:
        mounted = entered(site, client, "mnt-fs1.mount")
        assert entered(site, client, "lnet.service") < mounted and mdt0 < mounted, f"{client} came too early"


def test_the_cases_name_hosts_of_the_demo(demo: Demo) -> None:
    named = {host for case in CASES for group in case["groups"] if group != "all" for host in group}
    assert named <= set(demo.site.hosts)
    with pytest.raises(AssertionError, match="within 0 s: client1 lacks"):
        until(lambda: missing({"client1": "a mount"}, {"client1": ""}), 0)
