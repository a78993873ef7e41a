# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The look that begins a run: it changes nothing, ends the run where all depends on a host, and chooses who takes part."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from .conftest import Demo
from .recorded import Run
from .rehearsed import HERE, Rehearsed

MOUNTED = "findmnt -n -o TARGET /mnt/fs1 || true"
ROLES = str(HERE / "playbooks" / "roles.yml")
LOOK = "lustre.core.lustre_packages : What is to be done on this node"


@pytest.fixture
def drifted(demo: Demo) -> Iterator[Rehearsed]:
    """client1 lost a mount, so that any run that goes on past the look is seen; in the end all is as described again."""
    demo.site.sh("client1", "umount /mnt/fs1")
    try:
        yield demo.site
    finally:
        demo.site.converge()


@contextlib.contextmanager
def down(site: Rehearsed, host: str) -> Iterator[None]:
    site.rehearse("kill", host)
    try:
        yield
    finally:
        site.rehearse("start", host)


@contextlib.contextmanager
def unknown_answers(site: Rehearsed, host: str, program: str) -> Iterator[None]:
    """A tool of another kind, of which nobody knows what its output means."""
    site.sh(
        host,
        f"mv {program} {program}.away && printf '#!/bin/sh\\necho Lorem ipsum\\n' > {program} && chmod 755 {program}",
    )
    try:
        yield
    finally:
        site.sh(host, f"mv {program}.away {program}")


def ended_by_the_look(site: Rehearsed, run: Run, server: str) -> None:
    """One sentence names the server and how to leave it out; nobody did anything after it."""
    assert run.code != 0
    told = " ".join(" ".join(run.failures.values()).split())
    assert f"Failed or not reached, for the reason above: {server}. No host was changed." in told, run.told()
    assert f"--limit 'all:!{server}'" in told
    for host in site.hosts:
        assert set(run.remote(host)) <= {LOOK}, run.told()
    assert site.sh("client1", MOUNTED) == "", "the client was changed all the same"


def test_a_server_that_is_down_ends_the_run_before_any_host_is_changed(drifted: Rehearsed) -> None:
    with down(drifted, "oss2"):
        ended_by_the_look(drifted, drifted.playbook("site"), "oss2")
        without = drifted.converge("--limit", "all:!oss2")
        assert {host for host, count in without.changed.items() if count} == {"client1"}, without.told()


def test_a_refusal_on_one_server_ends_the_run_before_any_host_is_changed(drifted: Rehearsed) -> None:
    with unknown_answers(drifted, "oss1", "/usr/sbin/tunefs.lustre"):
        run = drifted.playbook("site")
        ended_by_the_look(drifted, run, "oss1")
        assert "oss1" in run.failures and "tunefs.lustre" in run.failures["oss1"]


def test_a_client_that_is_down_or_refuses_fails_alone(drifted: Rehearsed) -> None:
    with down(drifted, "client3"), unknown_answers(drifted, "client2", "/usr/sbin/lnetctl"):
        run = drifted.playbook("site")
    assert run.code != 0 and sorted(run.failures) == ["client2", "client3"], run.told()
    assert run.sums["client3"]["unreachable"] == 1 and run.sums["client2"]["failures"] == 1
    assert {host for host, count in run.changed.items() if count} == {"client1"}, run.told()
    assert drifted.sh("client1", MOUNTED) == "/mnt/fs1"


def test_check_mode_shows_the_plan_and_its_diff_once_and_changes_nothing(drifted: Rehearsed) -> None:
    run = drifted.playbook("site", "--check", "--diff")
    assert run.code == 0 and run.changed == {host: int(host == "client1") for host in drifted.hosts}, run.told()
    assert run.text.count("+- mount fs1 on /mnt/fs1 (it is not mounted)") == 1, run.told()
    assert "client1  mount" in run.text
    for host in drifted.hosts:
        assert run.remote(host) == [LOOK]
    assert drifted.sh("client1", MOUNTED) == ""


def test_only_those_with_something_to_do_take_part(drifted: Rehearsed) -> None:
    run = drifted.converge()
    for host in drifted.hosts:
        assert (run.remote(host) == [LOOK]) == (host != "client1"), run.told()
    assert [(step["action"], step["object"]) for step in run.steps("client1")] == [("mount", "fs1 on /mnt/fs1")]


@pytest.mark.parametrize(
    ("words", "mounted"),
    [
        (("--tags", "lustre_client"), True),
        *(
            pytest.param(*case, marks=pytest.mark.long)
            for case in (
                (("--tags", "lustre_lnet,lustre_oss"), False),
                (("--skip-tags", "lustre_client"), False),
                (("--limit", "client1"), True),
                (("--limit", "all:!client1"), False),
                (("--start-at-task", "The file systems that this client mounts as a whole"), True),
            )
        ),
    ],
    ids=lambda value: value[0] + value[1][:16] if isinstance(value, tuple) else "",
)
def test_words_of_ansible_choose_as_ever(drifted: Rehearsed, words: tuple[str, ...], mounted: bool) -> None:
    run = drifted.converge(*words)
    assert {host for host, count in run.changed.items() if count} == ({"client1"} if mounted else set()), run.told()
    assert drifted.sh("client1", MOUNTED) == ("/mnt/fs1" if mounted else "")


def test_roles_need_no_look(drifted: Rehearsed) -> None:
    run = drifted.playbook(ROLES)
    assert run.code == 0 and {host for host, count in run.changed.items() if count} == {"client1"}, run.told()
    assert drifted.sh("client1", MOUNTED) == "/mnt/fs1"
    again = drifted.playbook(ROLES)
    assert again.code == 0 and again.changed == dict.fromkeys(drifted.hosts, 0), again.told()
