# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action site_check and the filters, in plays of the real ansible-playbook of this environment."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.site_support import DEMO, ROOT, SiteFile, ansible, demo

CHECK = [
    {
        "hosts": "lustre_all",
        "gather_facts": False,
        "tasks": [{"name": "the description", "lustre.core.site_check": {}, "run_once": True, "register": "found"}],
    }
]
HAND_WRITTEN: dict[str, Any] = {
    "all": {
        "children": {
            "lustre_mgs": {"hosts": {"s1": {"ansible_host": "10.0.0.1"}}},
            "lustre_mds": {"hosts": {"s1": {}}},
            "lustre_oss": {"hosts": {"s1": {}}},
            "lustre_client": {"hosts": {"c1": {"ansible_host": "10.0.0.9"}}},
            "lustre_all": {"children": {"lustre_mgs": {}, "lustre_mds": {}, "lustre_oss": {}, "lustre_client": {}}},
        }
    }
}
SITE: dict[str, Any] = {
    "lustre_lnet": {"networks": [{"net": "tcp", "interfaces": ["eth0"]}]},
    "lustre_filesystems": [
        {
            "name": "{{ name_of_fs }}",
            "mgs": {"combined": True},
            "mdts": [{"index": 0, "servers": ["s1"], "device": "/dev/disk/by-id/m"}],
            "osts": [{"index": 0, "servers": ["s1"], "device": "/dev/disk/by-id/o"}],
            "clients": [{"hosts": "lustre_client", "path": "/mnt/fs1"}],
        }
    ],
}


def play(folder: Path, plays: Any, *sources: Path | str, **environ: str):
    playbook = folder / "play.yml"
    playbook.write_text(yaml.safe_dump(plays), encoding="utf-8")
    # A connection that cannot be made: whoever tries fails.
    words = [
        "-i",
        *" -i ".join(str(source) for source in sources).split(),
        "-e",
        "ansible_connection=ssh",
        "-e",
        "ansible_port=1",
    ]
    return ansible("ansible-playbook", *words, str(playbook), **environ)


def hand_written(folder: Path, variables: dict[str, dict[str, Any]]) -> Path:
    """An inventory of one's own, with variables of groups in files."""
    (folder / "hosts.yml").write_text(yaml.safe_dump(HAND_WRITTEN), encoding="utf-8")
    (folder / "group_vars").mkdir()
    for group, own in variables.items():
        (folder / "group_vars" / f"{group}.yml").write_text(yaml.safe_dump(own), encoding="utf-8")
    return folder / "hosts.yml"


def shown(done) -> str:
    return " ".join((done.stdout + done.stderr).split())


def test_the_demo_passes_without_a_connection(tmp_path: Path) -> None:
    report = [
        *CHECK,
        {"hosts": "router1", "gather_facts": False, "tasks": [{"ansible.builtin.debug": {"var": "found.summary"}}]},
    ]
    done = play(tmp_path, report, DEMO)
    assert done.returncode == 0, shown(done)
    assert "targets: 9" in shown(done)


def test_check_mode_is_the_same(tmp_path: Path) -> None:
    playbook = tmp_path / "p.yml"
    playbook.write_text(yaml.safe_dump(CHECK), encoding="utf-8")
    assert ansible("ansible-playbook", "-C", "-i", str(DEMO), str(playbook)).returncode == 0


def test_everything_wrong_is_listed_and_no_host_goes_on(tmp_path: Path) -> None:
    wrong = json.loads(json.dumps(SITE).replace("/dev/disk/by-id/m", "/dev/sdb"))
    wrong["lustre_filesystems"][0]["osts"][0]["servers"] = ["s2"]
    wrong["name_of_fs"] = "much_too_long"
    after = {"hosts": "lustre_all", "gather_facts": False, "tasks": [{"ansible.builtin.debug": {"msg": "went on"}}]}
    done = play(tmp_path, [*CHECK, after], hand_written(tmp_path, {"lustre_all": wrong}))
    text = shown(done)
    assert done.returncode != 0
    assert "went on" not in text
    for message in (
        "3 problems. No host was touched.",
        '"much_too_long" cannot be used here',
        "/dev/sdb is a name that the kernel gives",
        'the host \\"s2\\" is not in the inventory',
    ):
        assert message.replace('\\"', '"') in text.replace('\\"', '"'), text


@pytest.mark.parametrize("group", ["all", "lustre_all", "lustre_oss", "lustre_client"])
def test_variables_of_any_group_are_found_and_rendered(tmp_path: Path, group: str) -> None:
    inventory = hand_written(tmp_path, {group: {**SITE, "name_of_fs": "fs1"}})
    done = play(tmp_path, CHECK, inventory)
    assert done.returncode == 0, shown(done)


def test_two_descriptions_are_refused(tmp_path: Path) -> None:
    other = {**SITE, "name_of_fs": "fs2"}
    done = play(
        tmp_path, CHECK, hand_written(tmp_path, {"lustre_oss": {**SITE, "name_of_fs": "fs1"}, "lustre_client": other})
    )
    assert done.returncode != 0
    assert "the variable is not the same on" in shown(done)


def test_a_template_that_cannot_be_rendered_is_said(tmp_path: Path) -> None:
    done = play(tmp_path, CHECK, hand_written(tmp_path, {"lustre_all": SITE}))
    assert done.returncode != 0
    assert "name_of_fs" in shown(done)
    assert "Traceback" not in shown(done)


def test_no_description_at_all_is_no_success(tmp_path: Path) -> None:
    done = play(tmp_path, CHECK, hand_written(tmp_path, {}))
    assert done.returncode != 0
    assert "no host of the groups lustre_* has a description" in shown(done)


@pytest.mark.parametrize("playbook", sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml")))
def test_a_site_file_that_cannot_be_read_is_no_success(tmp_path: Path, playbook: str) -> None:
    """Without any_unparsed_is_failed, which a user's ansible.cfg may lack, Ansible warns and goes on without its hosts."""
    site = tmp_path / "my.lustre.yml"
    site.write_text("plugin: lustre.core.site\nhosts: {s1: 10.0.0.1}\nfilesystem: []\n", encoding="utf-8")
    done = ansible("ansible-playbook", "-i", str(site), f"lustre.core.{playbook}", cwd=tmp_path)
    assert done.returncode != 0
    assert "no host of the groups lustre_* has a description" in shown(done)
    assert 'Did you mean "filesystems"?' in shown(done)
    assert "lustre_filesystems, lustre_lnet and lustre_kerberos below" in shown(done)


def test_the_filter_gives_plain_data_in_a_play(tmp_path: Path) -> None:
    """The same slice as without Ansible, whatever ansible-core wraps its variables in."""
    expression = (
        "{{ lustre_filesystems | lustre.core.node_state(inventory_hostname, hostvars, groups, lustre_lnet, "
        "consent={'unmount': ['/mnt/fs1']}) | to_json }}"
    )
    where = {"hosts": "client2:oss1", "gather_facts": False, "connection": "local"}
    tasks = [
        {
            "ansible.builtin.copy": {"content": expression, "dest": f"{tmp_path}/{{{{ inventory_hostname }}}}.json"},
            "delegate_to": "here",
        }
    ]
    (tmp_path / "here.ini").write_text("here ansible_connection=local\n", encoding="utf-8")
    playbook = tmp_path / "p.yml"
    playbook.write_text(yaml.safe_dump([{**where, "tasks": tasks}]), encoding="utf-8")
    done = ansible(
        "ansible-playbook",
        "-i",
        str(DEMO),
        "-i",
        str(tmp_path / "here.ini"),
        "-e",
        f"ansible_python_interpreter={sys.executable}",
        str(playbook),
    )
    assert done.returncode == 0, shown(done)
    for host in ("client2", "oss1"):
        expected = demo().node(host, consent={"unmount": ["/mnt/fs1"]})
        assert json.loads((tmp_path / f"{host}.json").read_text(encoding="utf-8")) == expected


def test_kerberos_of_the_site_is_checked_with_it(tmp_path: Path) -> None:
    secured = json.loads(json.dumps(SITE))
    secured["lustre_filesystems"][0]["flavors"] = "krb5p"
    realm = {"realm": "{{ name_of_realm }}", "kdcs": "s1", "domain": "lab.example"}
    site = {**secured, "name_of_fs": "fs1", "lustre_kerberos": realm, "name_of_realm": "lab.example"}
    done = play(tmp_path, CHECK, hand_written(tmp_path, {"lustre_all": site}))
    assert done.returncode != 0
    assert 'lustre_kerberos.realm: the realm "lab.example" is not in capitals' in shown(done).replace("\\", "")
    assert "1 problem. No host was touched." in shown(done)


@pytest.mark.parametrize("name", ["multi_tenant", "secure"])
def test_the_whole_state_of_a_secured_site_in_a_play(tmp_path: Path, name: str) -> None:
    """The roles' own variable: the same as without Ansible, security included."""
    folder = ROOT / "inventories" / name
    site = SiteFile(yaml.safe_load((folder / "site.lustre.yml").read_text(encoding="utf-8")))
    hosts = ["mds1", "phys03" if name == "multi_tenant" else "login1"]
    (tmp_path / "here.ini").write_text("here ansible_connection=local\n", encoding="utf-8")
    copy = {"content": "{{ __lustre_node | to_json }}", "dest": f"{tmp_path}/{{{{ inventory_hostname }}}}.json"}
    tasks = [{"ansible.builtin.copy": copy, "delegate_to": "here"}]
    where = {"hosts": ":".join(hosts), "gather_facts": False, "connection": "local"}
    playbook = tmp_path / "p.yml"
    plays = [*CHECK, {**where, "roles": ["lustre.core.lustre_common"], "tasks": tasks}]
    playbook.write_text(yaml.safe_dump(plays), encoding="utf-8")
    words = ["-i", str(folder), "-i", str(tmp_path / "here.ini"), "-e", f"ansible_python_interpreter={sys.executable}"]
    done = ansible("ansible-playbook", *words, str(playbook))
    assert done.returncode == 0, shown(done)
    for host in hosts:
        found = json.loads((tmp_path / f"{host}.json").read_text(encoding="utf-8"))
        assert found == site.node(host)
        assert found.keys() & {"nodemaps", "kerberos"} or host == "phys03"


def test_the_filter_says_what_is_wrong(tmp_path: Path) -> None:
    expression = (
        "{{ [{'name': 'fs1', 'mgs': {'of': 'fs2'}}] | lustre.core.node_state(inventory_hostname, hostvars, groups) }}"
    )
    tasks = [{"ansible.builtin.debug": {"msg": expression}}]
    done = play(tmp_path, [{"hosts": "client1", "gather_facts": False, "tasks": tasks}], DEMO)
    assert done.returncode != 0
    assert "lustre_filesystems[0].mgs.of" in shown(done)


def test_report_prints_a_text_as_it_is(tmp_path: Path) -> None:
    tasks = [
        {"lustre.core.report": {"text": "A  B\n1  2"}, "run_once": True},
        {"lustre.core.report": {"data": {"a": [1, "{{ inventory_hostname }}"]}}, "run_once": True},
    ]
    done = play(tmp_path, [{"hosts": "lustre_router", "gather_facts": False, "tasks": tasks}], DEMO)
    assert done.returncode == 0, shown(done)
    assert "\nA  B\n1  2\n" in done.stdout
    assert '"a": [ 1, "router1" ]' in shown(done)


def test_report_wants_one_thing(tmp_path: Path) -> None:
    done = play(
        tmp_path, [{"hosts": "lustre_router", "gather_facts": False, "tasks": [{"lustre.core.report": {}}]}], DEMO
    )
    assert done.returncode != 0
    assert "one of the following is required: text, data" in shown(done)
