"""The modules' option lists and the resources' own are one and the same."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._resources.target_want import TargetWant
from ansible_collections.lustre.core.plugins.module_utils._resources.zpool_want import PoolWant
from ansible_collections.lustre.core.plugins.modules import target, zpool


@pytest.mark.parametrize(
    ("module", "option", "spec", "want"),
    [(target, "targets", target.TARGET_OPTIONS, TargetWant), (zpool, "pools", zpool.POOL_OPTIONS, PoolWant)],
)
def test_specification_documentation_and_resource_know_the_same_options(module, option, spec, want):
    documented = yaml.safe_load(module.DOCUMENTATION)["options"][option]["suboptions"]
    assert set(documented) == set(spec)
    for name, entry in spec.items():
        assert documented[name]["type"] == entry["type"]
        assert documented[name].get("required", False) == entry.get("required", False)
        assert documented[name].get("default") == entry.get("default")
        assert documented[name].get("choices") == entry.get("choices")
    with pytest.raises(BadValue, match=r"x\.nonsense: there is no such option") as told:
        want.from_options({"nonsense": 1}, "x")
    assert told.value.remedy == f"Known are: {', '.join(spec)}."


@pytest.mark.parametrize("module", [target, zpool])
def test_examples_are_descriptions_that_the_resource_accepts(module):
    option, want = ("targets", TargetWant) if module is target else ("pools", PoolWant)
    entries = [
        (entry, f"{task['name']}[{number}]")
        for task in yaml.safe_load(module.EXAMPLES)
        for number, entry in enumerate(task[f"lustre.core.{option[:-1] if module is target else 'zpool'}"][option])
    ]
    assert entries
    for entry, name in entries:
        want.from_options(entry, name)


@pytest.mark.parametrize("module", [target, zpool])
def test_every_return_value_has_a_sample(module):
    returned = yaml.safe_load(module.RETURN)
    assert {"plan", "drift", "state"} <= set(returned)
    assert all(returned[name]["sample"] for name in ("plan", "drift", "state"))
