# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shared by the tests of the rehearsal hosts."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest

from rehearsal.hosts import network
from rehearsal.hosts import spec as spec_module
from rehearsal.hosts.layout import Layout, Site


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "live: makes real hosts on this machine (root, Debian or Ubuntu, about a minute)"
    )
    config.addinivalue_line("markers", "long: only `make test-long` runs it")


@pytest.fixture
def two_hosts() -> dict[str, Any]:
    """A spec as data: two servers that share a disk, one of them with a second network."""
    return {
        "networks": ["tcp", "tcp1"],
        "variables": {"lustre_packages_version": ""},
        "hosts": [
            {"name": "a1", "interfaces": [{"name": "eth0", "network": "tcp", "addresses": ["10.77.0.11/24"]}]},
            {
                "name": "a2",
                "variables": {"lustre_packages_version": "2.17.0"},
                "interfaces": [
                    {"name": "eth0", "network": "tcp", "addresses": ["10.77.0.12/24"]},
                    {"name": "eth1", "network": "tcp1", "addresses": ["10.77.1.12/24", "fd77:1::12/64"]},
                ],
            },
        ],
        "devices": [
            {"name": "scsi-shared", "size": "64M", "hosts": ["a1", "a2"]},
            {"name": "local", "size": 33554432, "hosts": ["a2"], "path": "/dev/mapper/local"},
        ],
    }


@pytest.fixture
def site(two_hosts: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A planned site in a state directory of the test's own; nothing of it is made."""
    monkeypatch.setenv("LUSTRE_CORE_STATE", str(tmp_path))
    spec = spec_module.parse(two_hosts)
    subnet = ipaddress.IPv4Network("10.76.3.0/24")
    return Site(Layout("unit"), spec, Path("/base/root"), subnet, network.choose_addresses(subnet, spec.hosts))
