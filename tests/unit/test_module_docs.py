"""What the documentation of several modules must say in the same words, because no fragment can say it for them.

Fragments of RETURN came with ansible-core 2.20; ansible-doc of older ones fails on them.
"""

from __future__ import annotations

import importlib
import pkgutil

import pytest
import yaml

from ansible_collections.lustre.core.plugins import modules

#: What the edge of every module that changes things adds to its answer (``_module.py``).
COMMON = ("done", "busy", "held_by", "processes_left")


def changing() -> list[str]:
    found = []
    for module in pkgutil.iter_modules(modules.__path__):
        documented = yaml.safe_load(imported(module.name).DOCUMENTATION)
        if "lustre.core.attributes" in documented.get("extends_documentation_fragment", ()):
            found.append(module.name)
    return found


def imported(name: str):
    return importlib.import_module(f"{modules.__name__}.{name}")


def test_the_modules_that_change_things_are_known() -> None:
    assert {"target", "zpool", "mount", "lnet", "param", "node", "wipe", "firewall"} <= set(changing())


@pytest.mark.parametrize("value", COMMON)
def test_what_every_module_adds_is_told_in_the_same_words(value: str) -> None:
    told = {name: yaml.safe_load(imported(name).RETURN).get(value) for name in changing()}
    assert all(told.values()), f"undocumented in {[name for name, entry in told.items() if not entry]}"
    words = {name: {k: v for k, v in entry.items() if k not in ("sample", "returned")} for name, entry in told.items()}
    assert all(entry == words["target"] for entry in words.values()), words
