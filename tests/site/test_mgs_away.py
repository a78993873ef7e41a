# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A client that cannot reach the MGS: told within a bound, alone, and mended by the next run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from .conftest import Demo
from .rehearsed import Case, Rehearsed, cases, each

CASES = cases("mgs", 2)


@contextlib.contextmanager
def broken(site: Rehearsed, case: Case) -> Iterator[None]:
    power = case["break"].get("power")
    if power:
        site.rehearse("kill", power)
    else:
        site.sh(case["break"]["host"], case["break"]["run"])
    try:
        yield
    finally:
        if power:
            site.rehearse("start", power)
        else:
            site.sh(case["break"]["host"], case["repair"])


@each(CASES)
def test_a_client_is_told_what_each_server_said(demo: Demo, case: Case) -> None:
    site = demo.site
    site.sh("client1", "umount /mnt/fs1 /mnt/fs2")
    with broken(site, case):
        run = site.playbook("site", "--limit", "lustre_client")
    assert list(run.failures) == ["client1"], run.told()
    message, place = " ".join(run.failures["client1"].split()), 0
    for part in case["told"]:
        place = message.find(part, place)
        assert place >= 0, f"{part!r} is not (or not in this order) in: {message}"
        place += len(part)
    assert run.seconds < case["bound"]
    for host in ("client2", "client3"):
        assert run.sums[host]["failures"] == run.sums[host]["changed"] == 0, run.told()
    mended = site.converge()
    assert {host for host, count in mended.changed.items() if count} == {"client1"}, mended.told()
    assert [(step["action"], step["object"]) for step in mended.steps("client1")] == [
        ("mount", "fs1 on /mnt/fs1"),
        ("mount", "fs2 on /mnt/fs2"),
    ]
