"""The files that bring LNet up at boot: readable by everybody, and a start script that does what it says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from ansible_collections.lustre.core.plugins.module_utils._resources import lnet_files
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet_want import LnetWant

FULL = {
    "networks": [
        {
            "net": "tcp0",
            "interfaces": ["eth0", "eth1"],
            "tunables": {"credits": 512},
            "lnd_tunables": {"conns_per_peer": 4},
            "cpts": [0, 1],
        },
        {"net": "o2ib1", "interfaces": ["ib0.8001"]},
    ],
    "routes": [{"net": "tcp1", "gateway": "10.0.0.5@tcp0", "priority": 2}],
    "routing": {"enabled": True, "tiny": 2048},
    "peers": [{"primary": "10.0.0.10@tcp", "nids": ["10.0.1.10@tcp"]}],
    "discovery": False,
    "global": {"retry_count": 2},
    "udsp": [{"src": "tcp", "priority": 0}],
}


def want(**options) -> LnetWant:
    return LnetWant.from_options(options)


def test_lnet_conf_is_what_import_reads() -> None:
    text = lnet_files.lnet_conf(want(**FULL))
    assert text.startswith("# Managed by Ansible")
    assert yaml.safe_load(text) == {
        "net": [
            {
                "net type": "tcp",
                "local NI(s)": [
                    {
                        "interfaces": {0: name},
                        "tunables": {"credits": 512},
                        "lnd tunables": {"conns_per_peer": 4},
                        "CPT": "[0,1]",
                    }
                    for name in ("eth0", "eth1")
                ],
            },
            {"net type": "o2ib1", "local NI(s)": [{"interfaces": {0: "ib0.8001"}}]},
        ],
        "route": [{"net": "tcp1", "gateway": "10.0.0.5@tcp", "hop": -1, "priority": 2}],
        "peer": [
            {
                "primary nid": "10.0.0.10@tcp",
                "Multi-Rail": True,
                "peer ni": [{"nid": "10.0.0.10@tcp"}, {"nid": "10.0.1.10@tcp"}],
            }
        ],
        "routing": {"enable": 1},
        "buffers": {"tiny": 2048},
        "global": {"discovery": 0, "retry_count": 2},
    }


def test_the_same_meaning_in_another_layout() -> None:
    text = lnet_files.lnet_conf(want(**FULL))
    other = (
        yaml.safe_dump(yaml.safe_load(text), sort_keys=True)
        .replace("net type: tcp\n", "net type: tcp0\n")
        .replace("CPT: '[0,1]'", 'CPT: "[0,1]"')
    )
    assert lnet_files.same_meaning(text, other)
    assert not lnet_files.same_meaning(text, other.replace("credits: 512", "credits: 256"))
    assert not lnet_files.same_meaning(text, "net: [broken")
    assert not lnet_files.same_meaning(text, "net:\nnet:\n" + other)


def test_the_packaged_sample_holds_nothing_active(transcript) -> None:
    assert not lnet_files.active(transcript("lnet/lnet-conf-default").out)


def test_modprobe_options() -> None:
    options = want(
        module_options={
            "lnet": {"accept_port": 988, "lnet_drop_asym_route": True},
            "ksocklnd": {},
            "libcfs": {"cpu_pattern": "0[0,1] 1[2,3]"},
        }
    )
    assert options.module_options is not None
    text = lnet_files.modprobe_conf(options.module_options)
    assert text.splitlines()[1:] == [
        'options libcfs cpu_pattern="0[0,1] 1[2,3]"',
        "options lnet accept_port=988 lnet_drop_asym_route=1",
    ]
    assert lnet_files.same_options(
        text, 'options libcfs cpu_pattern="0[0,1] 1[2,3]"\noptions lnet lnet_drop_asym_route=1 \\\naccept_port=988\n'
    )


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("options lnet networks=tcp0(eth0)", "networks"),
        ('  options  lnet accept=all ip2nets="tcp0(eth0) 10.0.0.*"', "ip2nets"),
        ("options lnet accept=all \\\n  routes=x", "routes"),
        ("#options lnet networks=tcp", ""),
        ("options lnet accept=all", ""),
        ("options ksocklnd networks=tcp", ""),
    ],
)
def test_the_other_way_to_configure_lnet_is_found(line, name) -> None:
    if not name:
        lnet_files.refuse_static({"/etc/modprobe.d/x.conf": line})
        return
    with pytest.raises(lnet_files.Refused, match=f"/etc/modprobe.d/x.conf sets the parameter {name}"):
        lnet_files.refuse_static({"/etc/modprobe.d/x.conf": line})


def test_drop_in_resets_the_condition_and_orders_without_binding() -> None:
    lines = lnet_files.drop_in(want(**FULL)).splitlines()
    assert "ConditionPathExists=" in lines
    [after] = [line for line in lines if line.startswith("After=")]
    devices = [f"sys-subsystem-net-devices-{name}.device" for name in ("eth0", "eth1", "ib0.8001")]
    assert after.split("=")[1].split() == ["network-online.target", *devices]
    assert lines[lines.index("ExecStart=") + 1] == "ExecStart=/usr/local/sbin/lustre-lnet-start"
    assert not any(line.startswith(("BindsTo=", "Requires=", "ExecStop=")) for line in lines)
    assert "sys-subsystem-net-devices-br\\x2dlan.device" in lnet_files.drop_in(
        want(networks=[{"net": "tcp", "interfaces": ["br-lan"]}])
    )


# ---- the start script, run with tools that write down how they were called ----------------------

TOOL = """#!/bin/sh
echo "{name} $*" >> "$LOG"
{body}
"""


@pytest.fixture
def node(tmp_path: Path):
    """``node(options, nids="", lnetctl="body", ip="body")`` → exit code, calls, standard error."""

    def start(options, nids: str = "", lnetctl: str = "exit 0", ip: str = "echo '2: eth0 inet 10.0.0.1/24'"):
        bodies = {"modprobe": "exit 0", "lnetctl": lnetctl, "lctl": f"printf '{nids}'", "ip": ip, "sleep": "exit 0"}
        for name, body in bodies.items():
            tool = tmp_path / name
            tool.write_text(TOOL.format(name=name, body=body))
            tool.chmod(0o755)
        text = lnet_files.start_script(LnetWant.from_options(options))
        path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"
        assert path in text
        script = tmp_path / "start"
        script.write_text(text.replace(path, f"PATH={tmp_path}:/usr/bin:/bin\n"))
        log = tmp_path / "log"
        log.write_text("")
        done = subprocess.run(
            ["/bin/sh", str(script)], capture_output=True, text=True, check=False, env={**os.environ, "LOG": str(log)}
        )
        return done.returncode, log.read_text().splitlines(), done.stderr

    return start


def test_a_cold_boot_is_one_import_and_the_policies(node) -> None:
    code, calls, _err = node(FULL)
    assert code == 0
    assert [call for call in calls if not call.startswith("ip ")] == [
        "modprobe lnet",
        "lnetctl lnet configure",
        "lctl list_nids",
        "lnetctl import /etc/lnet.conf",
        "lnetctl udsp add --src tcp --priority 0",
    ]
    assert [call.split()[5] for call in calls if call.startswith("ip ")] == ["eth0", "eth1", "ib0.8001"]


def test_an_lnet_that_is_up_gets_what_it_lacks_and_keeps_what_it_has(node) -> None:
    exists = (
        'case "$*" in "net add"*|"route add"*) printf "add:\\n-     net:\\n      errno: -17\\n" >&2; exit 234;; esac'
    )
    code, calls, err = node(FULL, nids="10.0.0.1@tcp\\n", lnetctl=exists)
    assert code == 0 and err == ""
    assert not any("import" in call for call in calls)
    assert [call for call in calls if call.startswith("lnetctl")] == [
        "lnetctl lnet configure",
        "lnetctl set discovery 0",
        "lnetctl set retry_count 2",
        "lnetctl net add --net tcp --if eth0 --credits 512 --conns-per-peer 4 --cpt [0,1]",
        "lnetctl net add --net tcp --if eth1 --credits 512 --conns-per-peer 4 --cpt [0,1]",
        "lnetctl net add --net o2ib1 --if ib0.8001",
        "lnetctl route add --net tcp1 --gateway 10.0.0.5@tcp --priority 2",
        "lnetctl set routing 1",
        "lnetctl set tiny_buffers 2048",
        "lnetctl peer add --prim_nid 10.0.0.10@tcp --nid 10.0.1.10@tcp",
        "lnetctl udsp add --src tcp --priority 0",
    ]


def test_an_import_that_fails_half_way_is_completed_one_by_one_and_a_real_error_shows(node) -> None:
    broken = 'case "$*" in import*) exit 234;; *o2ib1*) echo "errno: -100" >&2; exit 234;; esac'
    code, calls, err = node(FULL, lnetctl=broken)
    assert code == 1 and "net add --net o2ib1 --if ib0.8001 failed: errno: -100" in err
    assert "lnetctl route add --net tcp1 --gateway 10.0.0.5@tcp --priority 2" in calls


def test_an_interface_without_an_address_is_waited_for_and_then_named(node) -> None:
    code, calls, err = node(FULL, ip="exit 0")
    assert code == 1 and "eth0 has no address after 60 s" in err
    assert "modprobe lnet" not in calls and calls.count("sleep 1") == 59


def test_a_policy_that_is_there_is_no_failure(node) -> None:
    there = 'case "$*" in udsp*) printf "add:\\n    - udsp:\\n          errno: 114\\n" >&2; exit 114;; esac'
    assert node(FULL, lnetctl=there)[0] == 0
