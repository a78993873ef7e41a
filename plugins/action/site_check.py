# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action ``lustre.core.site_check``: the whole description, checked once on the controller."""

from __future__ import annotations

from typing import Any, Iterator, Mapping

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.lustre.core.plugins.plugin_utils._site import rules
from ansible_collections.lustre.core.plugins.plugin_utils._site.inventory import PARENTS, ROLE_GROUPS
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import Findings, Problem, SiteError
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import Site
from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import plain

_VARIABLES = {"filesystems": "lustre_filesystems", "lnet": "lustre_lnet", "kerberos": "lustre_kerberos"}


class ActionModule(ActionBase):
    """Never opens a connection: everything it needs is in the task's variables."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        self.validate_argument_spec(argument_spec={key: {"type": "raw"} for key in _VARIABLES})
        findings = Findings()
        given = {key: self._description(key, variables, findings) for key in _VARIABLES}
        site, found = rules.check(
            given["filesystems"],
            given["lnet"],
            variables.get("hostvars", {}),
            variables.get("groups", {}),
            kerberos=given["kerberos"],
        )
        _none_given(site, found, findings)
        findings.problems += found.problems
        result.update(
            changed=False,
            errors=[str(problem) for problem in findings.problems],
            site_warnings=[str(problem) for problem in found.warnings],
            warnings=[str(problem) for problem in found.warnings],
            summary=_summary(site),
        )
        try:
            findings.stop_if_any("The description of the site cannot be used")
        except SiteError as error:
            result.update(failed=True, msg=str(error))
        return result

    def _description(self, key: str, task_vars: Mapping[str, Any], findings: Findings) -> Any:
        """The argument, else the variable of this host or of the first that has it; all must have the same."""
        if self._task.args.get(key) is not None:
            return plain(self._task.args[key])
        name = _VARIABLES[key]
        chosen, owner = None, ""
        for host, value in self._values(name, task_vars, findings):
            if value is None:
                continue
            if not owner:
                chosen, owner = value, host
            elif value != chosen:
                what = f"the variable is not the same on {owner} and on {host}"
                fix = "Define it once, for the group lustre_all (or all), so that every host has the same description."
                findings.add(name, what, fix, "not-the-same")
        return chosen

    def _values(self, name: str, task_vars: Mapping[str, Any], findings: Findings) -> Iterator[tuple[str, Any]]:
        own = plain(task_vars.get("inventory_hostname", ""))
        if name in task_vars:
            yield own, _evaluated(name, own, lambda: self._templar.template(task_vars[name]), findings)
        hostvars = task_vars.get("hostvars", {})
        for host in _representatives(task_vars.get("groups", {}), own):
            if host in hostvars and name in hostvars[host]:
                yield host, _evaluated(name, host, lambda host=host: hostvars[host][name], findings)


def _representatives(groups: Mapping[str, Any], own: str) -> list[str]:
    """One host of each group of a role: variables that differ between hosts usually differ between their groups."""
    names = [groups[group][0] for group in (*ROLE_GROUPS, *PARENTS) if groups.get(group)]
    return [host for host in dict.fromkeys(plain(name) for name in names) if host != own]


def _evaluated(name: str, host: str, read: Any, findings: Findings) -> Any:
    try:
        return plain(read())
    except AnsibleError as error:
        what = f"the variable cannot be evaluated on {host}: {error}"
        findings.add(name, what, "Define what its templates need, in the inventory.", "template-left")
        return None


def _none_given(site: Site, found: Findings, findings: Findings) -> None:
    """A check of nothing would look like a check that passed."""
    if not site.filesystems and not found.problems and not findings.problems and not site.lnet.networks:
        what = "no host of the groups lustre_* has a description"
        fix = (
            "If a site file was given (-i, its name must end in .lustre.yml), Ansible's warnings above say why it could not be "
            "read. In an inventory of your own, define lustre_filesystems and lustre_lnet for the group lustre_all."
        )
        findings.problems.append(Problem("lustre_filesystems", what, fix, "missing-key"))


def _summary(site: Site) -> dict[str, int]:
    targets = [target for filesystem in site.filesystems for target in filesystem.targets]
    return {
        "filesystems": len(site.filesystems),
        "targets": len(targets),
        "servers": len({server for target in targets for server in target.servers}),
        "routers": len(site.lnet.routers),
    }
