# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every host of the demo restarts at once: all comes back by itself, in order, and the next run changes nothing."""

from __future__ import annotations

from .conftest import Demo
from .rehearsed import Rehearsed, until

#: Seconds for targets and clients to be back: they try again until the servers they need are there.
BOUND = 150.0
CLIENTS = ("client1", "client2", "client3")
_MOUNTS = "awk '$3 ~ /lustre/ {print $1, $2}' /proc/self/mounts | sort"


def state(site: Rehearsed) -> dict[str, str]:
    """Per host: what of Lustre is mounted, and its NIDs."""
    question = f"{_MOUNTS}; lctl list_nids | sort"
    return {host: site.sh(host, question, code=None) for host in site.hosts}


def entered(site: Rehearsed, host: str, unit: str) -> int:
    """When a unit became active: microseconds of the one clock that all hosts share."""
    shown = site.sh(host, f"systemctl show --value --property=ActiveState,ActiveEnterTimestampMonotonic {unit}")
    active, when = shown.split()
    assert active == "active", f"{unit} on {host} is {active}"
    return int(when)


def test_everything_comes_back_by_itself(demo: Demo) -> None:
    site = demo.site
    before = state(site)
    assert all(before.values()), before
    boots = {host: site.sh(host, "cat /proc/sys/kernel/random/boot_id") for host in site.hosts}
    site.rehearse("reboot", *site.hosts)
    until(lambda: missing(before, state(site)), BOUND)
    for host, boot in boots.items():
        assert site.sh(host, "cat /proc/sys/kernel/random/boot_id") != boot, f"{host} did not restart"
    in_order(site)
    site.sh("client2", "ls /mnt/fs1 >/dev/null")  # over the router
    run = site.converge()
    assert run.changed == dict.fromkeys(site.hosts, 0), run.told()


def missing(before: dict[str, str], now: dict[str, str]) -> str:
    lost = {host: sorted(set(before[host].splitlines()) - set(now[host].splitlines())) for host in before}
    return "; ".join(f"{host} lacks {', '.join(lines)}" for host, lines in lost.items() if lines)


def in_order(site: Rehearsed) -> None:
    """LNet before any mount of its host, the MGT before all other targets, MDT0000 before the clients."""
    mgs, mdt0 = (entered(site, "mds1", unit) for unit in ("lustre-mgs.mount", "lustre-fs1-mdt0000.mount"))
    assert mgs < mdt0
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
            assert lnet < mounted and mgs < mounted, f"{name} on {host} came too early"
    for client in CLIENTS:
        mounted = entered(site, client, "mnt-fs1.mount")
        assert entered(site, client, "lnet.service") < mounted and mdt0 < mounted, f"{client} came too early"
