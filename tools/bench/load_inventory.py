# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run in a child process: load one inventory as a playbook does, and say what it took, as JSON.

    load_inventory.py SOURCE                            processor time and peak memory
    load_inventory.py SOURCE --static FILE --listed FILE  writes the same as static YAML, and as a site file without ranges
    load_inventory.py SOURCE --slices                   node_state for a sample of hosts, and the check of the whole

``seconds`` is processor time from the DataLoader to the variables of 50 hosts (the import of Ansible
itself, the same for every inventory, is left out); ``peak_kb`` is the whole process.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import time
from typing import Any

import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

try:
    from ansible.template import trust_as_template as trusted
except ImportError:  # before 2.19 every text is one

    def trusted(value: str) -> str:
        return value


SAMPLE = 50
NODE = "{{ lustre_filesystems | lustre.core.node_state(inventory_hostname, hostvars, lnet=lustre_lnet) }}"
#: Ansible's own, which say where a host comes from.
SOURCE = ("inventory_file", "inventory_dir")


def spread(items: list[Any], count: int) -> list[Any]:
    return items[:: max(1, len(items) // count)][:count]


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def own(host: Any) -> dict[str, Any]:
    return {key: plain(value) for key, value in host.vars.items() if key not in SOURCE}


def digest(inventory: InventoryManager) -> str:
    """Of all hosts, groups and variables: two inventories that are compared must be the same."""
    hosts = {str(host.name): own(host) for host in inventory.get_hosts("all")}
    groups = {
        str(name): [sorted(str(host.name) for host in group.get_hosts()), plain(group.vars)]
        for name, group in inventory.groups.items()
    }
    return hashlib.sha256(json.dumps([hosts, groups], sort_keys=True).encode()).hexdigest()


def static(inventory: InventoryManager) -> dict[str, Any]:
    """The same inventory as Ansible's own YAML has it: every host written out with its variables."""
    found: dict[str, Any] = {"all": {"hosts": {str(host.name): own(host) for host in inventory.get_hosts("all")}}}
    for name, group in inventory.groups.items():
        parts: dict[str, Any] = {}
        if group.hosts:
            parts["hosts"] = {str(host.name): None for host in group.hosts}
        if group.child_groups:
            parts["children"] = {str(child.name): None for child in group.child_groups}
        if group.vars:
            parts["vars"] = plain(group.vars)
        if name not in ("all", "ungrouped"):
            found[str(name)] = parts
    return found


def listed(inventory: InventoryManager) -> dict[str, Any]:
    """The site file with every host written out."""
    variables = inventory.groups["lustre_all"].vars
    clients = {str(host.name) for host in inventory.groups["compute"].hosts}
    hosts = {
        str(host.name): {**own(host), **({"groups": ["compute"]} if str(host.name) in clients else {})}
        for host in inventory.get_hosts("all")
    }
    return {
        "plugin": "lustre.core.site",
        "hosts": hosts,
        "lnet": plain(variables["lustre_lnet"]),
        "filesystems": plain(variables["lustre_filesystems"]),
    }


def write(path: str, data: dict[str, Any]) -> None:
    with open(path, "w", encoding="utf-8") as stream:
        yaml.dump(data, stream, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)


def slices(inventory: InventoryManager, variables: VariableManager, loader: DataLoader) -> dict[str, float]:
    """Milliseconds per node_state of a client and of a server, seconds of the check of the whole."""
    from ansible_collections.lustre.core.plugins.plugin_utils._site import rules

    hostvars = HostVars(inventory=inventory, variable_manager=variables, loader=loader)
    found = {}
    for kind, group in (("client", "lustre_client"), ("server", "lustre_oss")):
        hosts = spread(inventory.groups[group].get_hosts(), SAMPLE)
        own_variables = [variables.get_vars(host=host) for host in hosts]
        Templar(loader=loader, variables=own_variables[0]).template(trusted(NODE))  # what is loaded once
        began = time.process_time()
        for known in own_variables:
            state = Templar(loader=loader, variables=known).template(trusted(NODE))
            assert state["mounts"], f"{known['inventory_hostname']} has nothing to mount"
        found[kind] = 1000 * (time.process_time() - began) / len(hosts)
    first = hostvars[inventory.get_hosts("lustre_all")[0].name]
    began = time.process_time()
    _site, findings = rules.check(
        plain(first["lustre_filesystems"]), plain(first["lustre_lnet"]), hostvars, inventory.get_groups_dict()
    )
    found["check_seconds"] = time.process_time() - began
    assert not findings.problems, findings.problems
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--static", default="")
    parser.add_argument("--listed", default="")
    parser.add_argument("--slices", action="store_true")
    words = parser.parse_args()
    init_plugin_loader([])
    began = time.process_time()
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[words.source])
    variables = VariableManager(loader=loader, inventory=inventory)
    hosts = inventory.get_hosts("all")
    for host in spread(hosts, SAMPLE):
        variables.get_vars(host=host, include_hostvars=False)
    said: dict[str, Any] = {"hosts": len(hosts), "seconds": time.process_time() - began}
    said["peak_kb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if words.slices:
        said["slices"] = slices(inventory, variables, loader)
    if words.static:
        write(words.static, static(inventory))
    if words.listed:
        write(words.listed, listed(inventory))
    said["digest"] = digest(inventory)
    print(json.dumps(said))


if __name__ == "__main__":
    main()
