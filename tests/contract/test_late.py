# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What takes time on real Lustre takes time here: stored parameters, an MGS that is away; and the life of a label.

The recordings of this measured with loops of a shell (``async/*-delay``) or were ended by the recorder
(``mount/*-mgs-down``), so they cannot be replayed line by line; their numbers are compared here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.contract.host import Host, simulated_host
from tests.contract.test_contract import SESSIONS, flat
from tests.recordings import recording


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """The recorded file system, up, with its client on the same node."""
    session = SESSIONS["params: read"]
    with simulated_host(session["host"]) as made:
        for command in flat(session["setup"]):
            assert made.run(command).rc == 0, command
        yield made


def seconds_until(host: Host, command: str, name: str, value: str, at_most: int = 40) -> int | None:
    """After how many seconds a parameter has a value; None when it has another one all the time."""
    assert host.run(command).rc == 0
    for seconds in range(at_most):
        if host.run(f"lctl get_param -n {name}").out.split() == [value]:
            return seconds
        host.run("sleep 1")
    return None


@pytest.mark.parametrize(
    ("name", "command", "parameter"),
    [
        (
            "async/sp-P-delay",
            "lctl set_param -P osc.*.max_rpcs_in_flight={}",
            "osc.lustre-OST0000-osc-ff*.max_rpcs_in_flight",
        ),
        (
            "async/cp-delay",
            "lctl conf_param lustre-OST0000.osc.max_dirty_mb={}",
            "osc.lustre-OST0000-osc-ff*.max_dirty_mb",
        ),
    ],
)
def test_a_stored_value_arrives_as_late_as_recorded(host: Host, name: str, command: str, parameter: str) -> None:
    measured = re.findall(r"value (\d+): command took (\d+) ms, applied after (\d+) ms", recording(name).out)
    assert len(measured) == 3
    for value, took, applied in measured:
        seconds = seconds_until(host, command.format(value), parameter, value)
        assert seconds is not None
        assert int(took) < 1000
        assert abs(seconds - int(applied) / 1000) <= 1.0


def test_storing_the_same_value_again_repairs_nothing(host: Host) -> None:
    assert "after 40108 ms value is disable" in recording("async/sp-P-delay-jobid").out
    assert seconds_until(host, "lctl set_param -P jobid_var=procname_uid", "jobid_var", "procname_uid") == 8
    host.run("lctl set_param jobid_var=disable")
    assert seconds_until(host, "lctl set_param -P jobid_var=procname_uid", "jobid_var", "procname_uid") is None
    assert host.run("lctl get_param -n jobid_var").out == "disable\n"


def test_a_setting_of_a_server_reaches_its_target_only(host: Host) -> None:
    parameter = "obdfilter.lustre-OST0000.client_cache_seconds"
    assert seconds_until(host, "lctl conf_param lustre-OST0000.ost.client_cache_seconds=61", parameter, "61") == 8
    assert host.run("lctl get_param -n obdfilter.lustre-OST0001.client_cache_seconds").out != "61\n"


@pytest.mark.parametrize(("written", "read"), [("1M", "1"), ("0", "0"), ("64M", "64"), ("1G", "1024")])
def test_units_read_back_in_the_unit_of_the_name(host: Host, written: str, read: str) -> None:
    host.run(f"lctl set_param osc.*.max_dirty_mb={written}")
    assert host.run("lctl get_param -n osc.lustre-OST0000-osc-ff*.max_dirty_mb").out == f"{read}\n"


def test_flags_are_added_and_taken(host: Host) -> None:
    before = host.run("lctl get_param -n debug").out.split()
    host.run("lctl set_param debug=+rpctrace; lctl set_param debug=-ha")
    assert set(host.run("lctl get_param -n debug").out.split()) == (set(before) | {"rpctrace"}) - {"ha"}


OST = "mkfs.lustre --ost --fsname=lustre --index={} --mgsnode=10.0.2.15@tcp {}"


@pytest.fixture
def servers() -> Iterator[Host]:
    """An MGS with MDT0000 that was formatted, never started, and an OST."""
    with simulated_host(SESSIONS["storage: mounted"]["host"]) as made:
        assert made.run("mkfs.lustre --mgs --mdt --fsname=lustre --index=0 /dev/vdb").rc == 0
        assert made.run(OST.format(0, "/dev/vdd")).rc == 0
        made.run("mkdir -p /mnt/mdt0 /mnt/ost0 /mnt/ost1 /mnt/client; modprobe lustre; lnetctl lnet configure --all")
        yield made


def label(host: Host, device: str) -> str:
    """What a probe of the real ext4 says, not the simulation."""
    return host.run(f"e2label {device}").out.strip()


def test_a_label_from_the_format_to_the_writeconf(servers: Host) -> None:
    assert label(servers, "/dev/vdd") == "lustre:OST0000"
    assert servers.run("mount -t lustre /dev/vdb /mnt/mdt0").rc == 0
    assert servers.run("mount -t lustre /dev/vdd /mnt/ost0").rc == 0
    assert label(servers, "/dev/vdd") == "lustre-OST0000"
    assert servers.run("umount /mnt/ost0; tunefs.lustre --writeconf /dev/vdd").rc == 0
    assert label(servers, "/dev/vdd") == "lustre=OST0000"
    assert servers.run("mount -t lustre /dev/vdd /mnt/ost0").rc == 0
    assert label(servers, "/dev/vdd") == "lustre-OST0000"


@pytest.mark.parametrize(
    "command", ["mount -t lustre /dev/vdd /mnt/ost0", "mount -t lustre 10.0.2.15@tcp:/lustre /mnt/client"]
)
def test_without_the_mgs_a_mount_waits_as_long_as_the_setting_says_and_fails(servers: Host, command: str) -> None:
    before = servers.node.clock.time()
    done = servers.run(command)
    waited = servers.node.clock.time() - before
    assert (done.rc, done.err.splitlines()[-1]) == (5, "Is the MGS running?")
    assert servers.node.settings["mgs_timeout"] <= waited <= servers.node.settings["mgs_timeout"] + 1
    assert label(servers, "/dev/vdd") == "lustre:OST0000"


def test_an_index_in_use_is_refused_and_nothing_changes(servers: Host) -> None:
    servers.run("mount -t lustre /dev/vdb /mnt/mdt0; mount -t lustre /dev/vdd /mnt/ost0; umount /mnt/ost0")
    assert servers.run(OST.format(0, "/dev/vde")).rc == 0
    done = servers.run("mount -t lustre /dev/vde /mnt/ost1")
    assert done.rc == 98
    assert "The target service's index is already in use. (/dev/vde)" in done.err
    assert label(servers, "/dev/vde") == "lustre:OST0000"
    assert servers.run(f"{OST.format(1, '/dev/vde')} --reformat").rc == 0
    assert servers.run("mount -t lustre /dev/vde /mnt/ost1").rc == 0
