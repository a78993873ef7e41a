# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The demo site from nothing: it runs, a second run changes nothing and costs little, its clients share files."""

from __future__ import annotations

from .conftest import Demo

HOSTS = ["client1", "client2", "client3", "mds1", "mds2", "oss1", "oss2", "router1"]
#: The most tasks that a converged run may execute on a host (DESIGN: the way of the data).
CLIENT_BUDGET, SERVER_BUDGET = 6, 12


def test_the_first_run_reaches_every_host(demo: Demo) -> None:
    assert demo.site.hosts == HOSTS
    assert sorted(demo.first.sums) == HOSTS, demo.first.told()
    assert all(count > 0 for count in demo.first.changed.values()), demo.first.told()


def test_a_second_run_changes_nothing_within_the_budget(demo: Demo) -> None:
    run = demo.site.converge()
    assert run.changed == dict.fromkeys(HOSTS, 0), run.told()
    for host in HOSTS:
        budget = SERVER_BUDGET if host.startswith(("mds", "oss")) else CLIENT_BUDGET
        executed = run.executed(host)
        assert 0 < len(executed) <= budget, f"{host} executed {len(executed)} tasks, more than {budget}: {executed}"


def test_clients_read_what_others_write(demo: Demo) -> None:
    """client3 sees only the subdirectory; client2 is behind the router."""
    inside = {"client1": "/mnt/fs1/projects", "client2": "/mnt/fs1/projects", "client3": "/mnt/fs1"}
    for writer, folder in inside.items():
        demo.site.sh(writer, f"echo 'from {writer}' > {folder}/from-{writer}")
    for reader, folder in inside.items():
        read = demo.site.sh(reader, f"cd {folder} && cat from-client1 from-client2 from-client3")
        assert read.splitlines() == [f"from {writer}" for writer in inside], reader
    demo.site.sh("client1", "rm /mnt/fs1/projects/from-client*")
    assert demo.site.sh("client3", "ls /mnt/fs1 | wc -l") == "0"
