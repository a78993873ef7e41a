"""Modules as they really run: unusable options end them with a sentence that names these, in JSON, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

OPTIONS = {
    "changelog_user": ({"users": [{"mdt": "fs1", "name": "audit"}]}, "users[0].mdt: 'fs1' is no MDT"),
    "encryption_policy": ({"directories": [{"path": "/a/b", "key": "x"}]}, "directories[0].key: it is not 64 bytes"),
    "firewall": ({"port": 0}, "port: 0 is not a TCP port"),
    "flavor": ({"rules": [{"target": "fs 1", "flavor": "skpi"}]}, "rules[0].target: 'fs 1' is neither a file system nor"),
    "gss": ({"services": ["mds"]}, "kerberos: neither Kerberos nor shared keys are wanted"),
    "kdc_principal": (
        {"principals": ["a"], "realm": "R", "export": ["a"]},
        "export: the keys would be shown and logged. Say `no_log: true`",
    ),
    "kerberos_check": ({"names": [{"address": "mds1", "fqdn": "mds1.x"}]}, "names[0].address: 'mds1' is no IP address"),
    "keytab": ({"contents": ["c2VjcmV0"]}, "contents[0]: it is no keytab of the format 0x0502"),
    "lnet": ({"networks": [{"net": "tpc", "interfaces": ["eth0"]}]}, "lnet.networks[0].net: 'tpc' is not an LNet network"),
    "luks": (
        {"containers": [{"label": "MGS", "device": "/dev/sdb", "key_file": "/etc/k"}]},
        "containers[0].device: /dev/sdb is a name that the kernel gives",
    ),
    "mount": ({"mounts": [{"kind": "client", "path": "mnt"}]}, "mounts[0].path: 'mnt' is not a plain absolute path"),
    "node": ({"services": [{"name": "a b"}]}, "services[0].name: 'a b.service' is not the name of a systemd unit"),
    "nodemap": ({"nodemaps": [{"name": "a", "ranges": ["10.0.0.1"]}]}, "nodemaps[0].ranges[0]: '10.0.0.1' is no range of NIDs"),
    "packages_info": ({"families": {}}, "nothing is said about this node's family of systems"),
    "param": ({"params": [{"name": "at_max", "value": "much"}]}, "params[0].value: 'much' cannot be the value of at_max"),
    "security_info": ({"wait": [{"target": "fs1", "flavor": "best"}]}, "wait[0].flavor: 'best' is no security flavor"),
    "ssk_key": ({"keys": [{"path": "/k/a", "types": ["server"]}]}, "keys[0].fsname: a key is made for a file system or for an"),
    "target": ({"targets": [{"kind": "mgt", "device": "/dev/sdb"}]}, "targets[0].device: /dev/sdb is a name that the kernel gives"),
    "verify": ({"want": {}, "size": 1}, "size: 1 bytes are not a small file"),
    "verify_ciphertext": (
        {"action": "write", "directories": ["vault"]},
        "directories[0]: 'vault' is not an absolute path",
    ),
    "verify_encrypted": ({"paths": ["vault"]}, "paths[0]: 'vault' is not an absolute path"),
    "verify_expiry": ({"database": ["a"], "realm": "a b"}, "realm: 'a b' is not the name of a realm"),
    "verify_security": ({"rules": [{"target": "fs1"}]}, "rules[0]"),
    "verify_shared": ({"action": "read", "files": [{"path": "/mnt/fs1/x"}]}, "files[0].content: is missing"),
    "verify_tenants": ({"want": {"apart": {"/mnt/a": []}}}, "want.apart./mnt/a: no tenant has its mount there"),
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


def ran(name: str, options: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", RUN, name, json.dumps(options)], capture_output=True, text=True, check=False, timeout=60
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("name", OPTIONS)
def test_unusable_options_are_named(name: str) -> None:
    options, told = OPTIONS[name]
    rc, answer = ran(name, options)
    assert rc == 1 and answer["failed"] and told in answer["msg"], answer


def test_a_node_without_lustre_is_told_as_one() -> None:
    """On the machine that runs the tests, whatever it is: an answer, and a sentence for each thing that it lacks."""
    rc, answer = ran("node_info", {"gather": ["release", "mounts"]})
    assert rc == 0 and not answer["changed"] and answer["hostname"] == os.uname().nodename
    assert all(isinstance(problem, str) and problem.endswith(".") for problem in answer["problems"])
    rc, answer = ran("site_info", {})
    assert rc == 1 and ("lctl" in answer["msg"] or "MGS" in answer["msg"])


def test_nothing_wanted_is_nothing_done() -> None:
    rc, answer = ran("node", {"services": [], "mounts": []})
    assert (rc, answer["changed"], answer["plan"]) == (0, False, [])
    rc, answer = ran("verify_shared", {"action": "read", "files": []})
    assert (rc, answer["healthy"], answer["checks"]) == (0, True, [])
    rc, answer = ran("param", {"params": []})
    assert (rc, answer["changed"], answer["state"]["parameters"]) == (0, False, [])
