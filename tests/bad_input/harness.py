# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A site without a fault, changed as a case says, and what the check of the site says about it."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.lustre.core.plugins.plugin_utils._site import inventory, parse, rules
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import Findings

HERE = Path(__file__).parent
CASES = sorted((HERE / "cases").glob("*.yml"))
KEYS = {"says", "set", "remove", "append", "errors", "warnings"}


def load(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def base() -> dict[str, Any]:
    """``hosts`` by name with their variables, ``groups``, ``lustre_filesystems`` and ``lustre_lnet`` (a case may add ``lustre_kerberos``)."""
    raw = load(HERE / "base.yml")
    findings = Findings()
    declared = inventory.declared(raw["hosts"], findings)
    site = parse.site(raw["lustre_filesystems"], raw["lustre_lnet"], findings)
    assert not findings.problems, findings.problems
    hosts, groups = inventory.overlay({}, {}, declared, site)
    return {**raw, "hosts": hosts, "groups": groups}


def changed(case: dict[str, Any], site: dict[str, Any]) -> dict[str, Any]:
    """The site with the case's changes; a path that leads nowhere is an error of the case."""
    unknown = set(case) - KEYS
    assert not unknown, f"unknown keys of the case: {unknown}"
    result = copy.deepcopy(site)
    for path, value in (case.get("set") or {}).items():
        owner, key = _owner(result, path)
        owner[key] = value
    for path in case.get("remove") or ():
        owner, key = _owner(result, path)
        del owner[key]
    for path, value in (case.get("append") or {}).items():
        owner, key = _owner(result, path)
        owner[key].append(value)
    return result


def _owner(site: Any, path: str) -> tuple[Any, Any]:
    steps = [int(number) if number else name for name, number in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path)]
    for step in steps[:-1]:
        site = site.setdefault(step, {}) if isinstance(site, dict) else site[step]
    return site, steps[-1]


def findings(site: dict[str, Any]) -> Findings:
    # A host taken out of the site is in no group either.
    groups = {name: [host for host in hosts if host in site["hosts"]] for name, hosts in site["groups"].items()}
    groups["all"] = list(site["hosts"])
    description = [site.get(name) for name in ("lustre_filesystems", "lustre_lnet")]
    return rules.check(*description, site["hosts"], groups, kerberos=site.get("lustre_kerberos"))[1]
