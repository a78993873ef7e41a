"""Every state module as it really runs: unusable options end it with a sentence that names them, in JSON, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

OPTIONS = {
    "firewall": ({"port": 0}, "port: 0 is not a TCP port"),
    "lnet": ({"networks": [{"net": "tpc", "interfaces": ["eth0"]}]}, "lnet.networks[0].net: 'tpc' is not an LNet network"),
    "mount": ({"mounts": [{"kind": "client", "path": "mnt"}]}, "mounts[0].path: 'mnt' is not a plain absolute path"),
    "node": ({"services": [{"name": "a b"}]}, "services[0].name: 'a b.service' is not the name of a systemd unit"),
    "param": ({"params": [{"name": "at_max", "value": "much"}]}, "params[0].value: 'much' cannot be the value of at_max"),
    "target": ({"targets": [{"kind": "mgt", "device": "/dev/sdb"}]}, "targets[0].device: /dev/sdb is a name that the kernel gives"),
    "wipe": ({"targets": [], "devices": ["/dev/disk/by-id/x"]}, "devices[0]: /dev/disk/by-id/x is not the device of a target"),
    "zpool": ({"pools": [{"name": "mirror"}]}, "pools[0].name: 'mirror' is no name of a pool"),
}  # fmt: skip
RUN = """
import importlib, json, sys
from ansible.module_utils import basic
arguments = {"_ansible_check_mode": True, "_ansible_diff": True, **json.loads(sys.argv[2])}
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
basic._ANSIBLE_PROFILE = "legacy"
importlib.import_module("ansible_collections.lustre.core.plugins.modules." + sys.argv[1]).main()
"""


@pytest.mark.parametrize("name", OPTIONS)
def test_unusable_options_are_named(name: str) -> None:
    options, told = OPTIONS[name]
    done = subprocess.run(
        [sys.executable, "-c", RUN, name, json.dumps(options)], capture_output=True, text=True, check=False, timeout=60
    )
    answer = json.loads(done.stdout)
    assert done.returncode == 1 and answer["failed"] and told in answer["msg"], (answer, done.stderr)
    assert "Traceback" not in done.stdout + done.stderr
