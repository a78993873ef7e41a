# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Playbooks ask what they report: an answer that nobody asked for would be missing without a word."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2.nativetypes import NativeEnvironment

from ansible_collections.lustre.core.plugins.filter.reports import host_results
from ansible_collections.lustre.core.plugins.module_utils._module import result
from ansible_collections.lustre.core.plugins.module_utils._plan import Outcome, Plan
from ansible_collections.lustre.core.plugins.module_utils._resources.nodemap import NodemapResource
from tests.unit.models.nodemap_model import NodemapModel

ROOT = Path(__file__).resolve().parents[2]
TASKS = sorted([*ROOT.glob("playbooks/**/*.yml"), *ROOT.glob("roles/*/tasks/*.yml")])
#: The names of registered results that the filter is given: one, or a list.
COLLECTED = re.compile(r"host_results\(\s*hostvars,\s*(\[[^\]]*\]|'\w+')")
REPORTING = [path for path in TASKS if COLLECTED.search(path.read_text(encoding="utf-8"))]


def collected(text: str) -> set[str]:
    return {name for given in COLLECTED.findall(text) for name in re.findall(r"'(\w+)'", given)}


def test_reports_are_found() -> None:
    assert len(REPORTING) >= 5
    assert "__lustre_verified" in collected((ROOT / "playbooks" / "verify.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", REPORTING, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_answer_that_is_collected_was_asked_for(path: Path) -> None:
    registered = {
        name for task in TASKS for name in re.findall(r"^ +register: (\w+)$", task.read_text(encoding="utf-8"), re.M)
    }
    missing = collected(path.read_text(encoding="utf-8")) - registered
    assert not missing, f"{path.name} collects {sorted(missing)}, which no task registers"


#: What is written into folders that are ours alone; all else may have been there before.
OURS = re.compile(r"/etc/systemd/system/|\{\{ (__lustre_packages_|lustre_encryption_program)")


def test_a_file_that_somebody_may_have_written_is_kept_as_a_backup() -> None:
    """The configuration of a KDC that was there, too: of another realm, it would be nowhere else."""
    found = []
    for path in ROOT.glob("roles/*/tasks/*.yml"):
        for task in yaml.safe_load(path.read_text(encoding="utf-8")) or ():
            made = task.get("ansible.builtin.template") or task.get("ansible.builtin.copy")
            if made and not OURS.search(made["dest"]):
                found.append(made["dest"])
                assert made.get("backup") is True, f"{path.name}: {made['dest']} is written over"
    assert len(found) >= 5


#: A playbook by its short name stands before a comma or the end of something; what follows otherwise is prose.
_NAMED = re.compile(r"\blustre\.core\.([a-z][a-z_0-9]*)|\bplaybooks? ([a-z_]+)(?=[,.;:)`])")


def test_what_messages_name_is_there() -> None:
    """A remedy that names a playbook, a module or a role which does not exist is none."""
    known = {path.stem for path in ROOT.glob("plugins/*/*.py")} | {
        path.stem for path in ROOT.glob("plugins/filter/*.yml")
    }
    known |= {path.stem for path in ROOT.glob("playbooks/*.yml")} | {path.name for path in ROOT.glob("roles/*")}
    playbooks = {path.stem for path in ROOT.glob("playbooks/*.yml")}
    found = 0
    for path in [*ROOT.glob("plugins/**/*.py"), *TASKS, *ROOT.glob("docs/*.md")]:
        text = " ".join(path.read_text(encoding="utf-8").replace('"\n', " ").split())
        for thing, playbook in _NAMED.findall(text):
            assert not thing or thing in {*known, "plugins", "attributes"}, f"{path}: lustre.core.{thing}"
            assert path.suffix == ".md" or not playbook or playbook in {*playbooks, "lustre", "on"}, (
                f"{path}: {playbook}"
            )
            found += 1
    assert found > 300


def _rendered(text: str, **variables: Any) -> Any:
    """An expression of a task, with the few filters of Ansible's and ours that it uses."""
    environment = NativeEnvironment()
    environment.filters["extract"] = lambda key, container, name: environment.getitem(container[key], name)
    environment.filters["difference"] = lambda some, others: [one for one in some if one not in others]
    environment.filters["dict2items"] = lambda given: [{"key": key, "value": value} for key, value in given.items()]
    environment.filters["lustre.core.host_results"] = host_results
    return environment.from_string(text).render(**variables)


def _tasks(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load((ROOT / "roles" / "lustre_tenants" / "tasks" / name).read_text(encoding="utf-8")))


def test_other_servers_wait_for_what_the_module_returned_on_the_mgs() -> None:
    """A name that no module returns made an empty list, of which nobody waited for anything: tenants mounted before their walls stood."""
    resource, model = NodemapResource.from_options({"nodemaps": [{"name": "a"}]}), NodemapModel()
    state = resource.public(resource.have(model))
    answer = result(Outcome("nodemap", Plan(), state, state), show_diff=False)
    fact = next(task["ansible.builtin.set_fact"] for task in _tasks("main.yml") if "ansible.builtin.set_fact" in task)
    digest = _rendered(fact["__lustre_tenants_digest"], __lustre_went=answer)
    assert len(digest) == 64
    # One of two MGSs is on another host now, and set nothing.
    hosts = {"mgs1": {"__lustre_tenants_digest": digest}, "mgs2": {}, "mgs3": {"__lustre_tenants_digest": "0" * 64}}
    (reached,) = _tasks("reached.yml")
    wanted = reached["vars"]["__lustre_tenants_digests"]
    assert _rendered(wanted, hostvars=hosts, groups={"lustre_mgs": list(hosts)}) == [digest, "0" * 64]
    assert _rendered(wanted, hostvars=hosts, groups={}) == []
    assert reached["lustre.core.nodemap_info"]["digest"] == "{{ __lustre_tenants_digests }}"
    assert "> 0" in reached["when"]


def test_what_verify_writes_goes_whatever_became_of_the_look() -> None:
    plays = yaml.safe_load((ROOT / "playbooks" / "verify.yml").read_text(encoding="utf-8"))
    (markers,) = [task for play in plays for task in play["tasks"] if "block" in task]
    made, gone = (
        [task["lustre.core.verify_ciphertext"] for task in markers[part] if "register" in task]
        for part in ("block", "always")
    )
    assert [one["action"] for one in made] == ["write", "read"] and [one["action"] for one in gone] == ["remove"]


def test_who_is_lost_in_the_look_at_its_mounts_stops_the_rule_of_the_mgs() -> None:
    """A host that was not reached right then was no longer counted, and the rule cut it off."""
    tasks = yaml.safe_load((ROOT / "playbooks" / "tasks" / "secure_stage.yml").read_text(encoding="utf-8"))
    bare = next(task["vars"]["__lustre_bare"] for task in tasks if "__lustre_bare" in task.get("vars", {}))
    ready = {"good": True, "bare": False, "lost": None, "known": None, "asked": False}
    answers = {
        host: {"__lustre_ready": {"in_force": one} if one is not None else {"unreachable": True}}
        for host, one in ready.items()
    }
    answers["never"] = {}
    told = _rendered(
        bare,
        hostvars=answers,
        ansible_play_hosts_all=list(answers),
        ansible_play_hosts=["good", "bare", "asked"],
        lustre_consent_cut_off=["known", "asked"],
    )
    assert sorted(told) == ["asked", "bare", "lost", "never"]
