"""The filter node_backends: a host's backends out of the description alone."""

from __future__ import annotations

import pytest

from ansible_collections.lustre.core.plugins.filter.node_backends import FilterModule

node_backends = FilterModule().filters()["node_backends"]
SITE = [
    {
        "name": "fs1",
        "mgs": {"servers": ["mds1", "mds2"], "device": "/dev/disk/by-id/mgt"},
        "mdts": [{"index": 0, "servers": ["mds1", "mds2"], "device": "/dev/disk/by-id/mdt0"}],
        "osts": [
            {"index": 0, "servers": ["oss1", "oss2"], "device": "tank/ost0", "backend": "zfs"},
            {"index": 1, "servers": ["oss1"], "device": "/dev/disk/by-id/ost1"},
        ],
        "clients": [{"hosts": ["client1"], "path": "/mnt/fs1"}],
    },
    {"name": "fs2", "backend": "zfs", "mgs": {"of": "fs1"}, "mdts": [{"index": 0, "servers": ["mds2"]}]},
]


@pytest.mark.parametrize(
    ("host", "backends"),
    [
        ("mds1", ["ldiskfs"]),
        ("mds2", ["ldiskfs", "zfs"]),
        ("oss1", ["ldiskfs", "zfs"]),
        ("oss2", ["zfs"]),
        ("client1", []),
    ],
)
def test_all_targets_that_a_host_serves_count(host, backends):
    assert node_backends(SITE, host) == backends


@pytest.mark.parametrize("broken", [None, "fs1", [3], [{"mgs": "mds1", "osts": [None, {"servers": "oss1"}]}]])
def test_what_is_malformed_is_for_the_check_of_the_whole(broken):
    assert node_backends(broken, "oss1") == []
