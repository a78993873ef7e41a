"""Data goes forward only, and each file keeps to its place; every rule is shown to catch what it forbids."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolMissing
from ansible_collections.lustre.core.plugins.module_utils._readers.node_info import SECTIONS, Inspector
from ansible_collections.lustre.core.plugins.module_utils._readers.security_info import SECTIONS as SECURITY
from tests.unit import architecture
from tests.unit.architecture import Tree

ROOT = Path(__file__).parents[2]
RULES: dict[str, Callable[[Tree], list[str]]] = {
    rule.__name__: rule
    for rule in (
        architecture.module_imports_module,
        architecture.module_reaches_past_resources,
        architecture.backward,
        architecture.ansible_below_modules,
        architecture.relative_imports,
        architecture.resource_imports,
        architecture.reader_imports,
        architecture.tool_imports,
        architecture.base_imports,
        architecture.starts_programs,
        architecture.mentions_simulation,
        architecture.too_long,
        architecture.cycles,
        architecture.module_documents,
        architecture.roles,
    )
}
UTILS = "from ansible_collections.lustre.core.plugins.module_utils."
SITE = "from ansible_collections.lustre.core.plugins.plugin_utils._site import parse"
OTHER = "from ansible_collections.lustre.core.plugins.modules import mount"
#: Rule, file, what is put behind its last import (or, for other files, at its end), what the rule must then say.
PLANTED = [
    ("module_imports_module", "plugins/modules/target.py", OTHER, "imports plugins/modules/mount.py"),
    ("module_imports_module", "plugins/modules/target.py", SITE, "imports plugins/plugin_utils/_site/parse.py"),
    ("module_reaches_past_resources", "plugins/modules/target.py", UTILS + "_cli import lctl", "the tool .*lctl.py"),
    ("backward", "plugins/module_utils/_node.py", SITE, "imports plugins/plugin_utils"),
    ("backward", "plugins/module_utils/_engine.py", OTHER, "imports plugins/modules/mount.py"),
    ("backward", "plugins/plugin_utils/_site/parse.py", OTHER, "imports plugins/modules/mount.py"),
    ("backward", "plugins/filter/node_state.py", OTHER, "imports plugins/modules/mount.py"),
    ("ansible_below_modules", "plugins/module_utils/_resources/mount.py", "import ansible", "imports ansible"),
    (
        "ansible_below_modules",
        "plugins/module_utils/_cli/lctl.py",
        "def late():\n    from ansible.module_utils.basic import AnsibleModule\n    return AnsibleModule",
        "imports ansible.module_utils.basic",
    ),
    ("relative_imports", "plugins/module_utils/_cli/lctl.py", "from ._run import Runner", "imports ._run"),
    (
        "resource_imports",
        "plugins/module_utils/_resources/mount.py",
        UTILS + "_resources.target import TargetResource",
        "imports the resource file .*target.py",
    ),
    (
        "resource_imports",
        "plugins/module_utils/_resources/service.py",
        UTILS + "_resources.target_want import TargetWant",
        "imports the resource file .*target_want.py",
    ),
    (
        "resource_imports",
        "plugins/module_utils/_resources/mount_want.py",
        UTILS + "_resources.mount import MountResource",
        "helper of mount and imports it",
    ),
    ("resource_imports", "plugins/module_utils/_resources/lnet.py", UTILS + "_node import PHASES", "imports .*_node.py"),
    (
        "tool_imports",
        "plugins/module_utils/_cli/mounts.py",
        UTILS + "_resources.mount_want import MountWant",
        "imports .*mount_want.py",
    ),
    ("tool_imports", "plugins/module_utils/_cli/lfs.py", UTILS + "_engine import converge", "imports .*_engine.py"),
    (
        "reader_imports",
        "plugins/module_utils/_readers/verify.py",
        UTILS + "_resources.mount import MountResource",
        "imports .*mount.py",
    ),
    ("base_imports", "plugins/module_utils/_nid.py", UTILS + "_cli import lctl", "imports .*lctl.py"),
    ("starts_programs", "plugins/module_utils/_cli/lfs.py", "import subprocess", "imports subprocess"),
    ("starts_programs", "plugins/inventory/site.py", "from subprocess import run", "imports subprocess.run"),
    ("starts_programs", "plugins/module_utils/_readers/verify.py", "import os\nos.system('true')", "uses os.system"),
    ("starts_programs", "plugins/module_utils/_readers/verify.py", "from os import popen", "imports os.popen"),
    ("starts_programs", "plugins/modules/wipe.py", "AnsibleModule.run_command('x')", "run_command"),
    ("mentions_simulation", "plugins/module_utils/_run.py", "# only in the Rehearsal", "says '# only in the Rehearsal"),
    ("mentions_simulation", "roles/lustre_client/tasks/main.yml", "# lustre_sim", "says '# lustre_sim"),
    ("too_long", "plugins/module_utils/_nid.py", "#\n" * 450, "_nid.py has 5"),
    ("cycles", "plugins/module_utils/_nid.py", UTILS + "_cli import mounts", "_nid.py → .*mounts.py → .*_nid.py"),
    ("cycles", "plugins/module_utils/_errors.py", UTILS + "_errors import LustreError", "_errors.py → .*_errors.py"),
    ("module_documents", "plugins/modules/wipe.py", 'EXAMPLES = ""', "has no EXAMPLES"),
    ("module_documents", "plugins/modules/wipe.py", 'RETURN = "a: b: c"', "has no RETURN"),
    ("module_documents", "plugins/modules/wipe.py", 'DOCUMENTATION = "module: swipe"', "the module 'swipe'"),
    ("roles", "roles/lustre_packages/defaults/main.yml", "lustre_packages_colour: red", "do not know the default lustre_packages_colour"),
    ("roles", "roles/lustre_packages/defaults/main.yml", "lustre_packages_dkms: true", "lustre_packages_dkms is True in defaults"),
]  # fmt: skip


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree(ROOT)


@pytest.mark.parametrize("rule", RULES)
def test_the_house_keeps_its_rules(tree: Tree, rule: str) -> None:
    assert len(tree.sources) > 100, "the tree was not found"
    assert RULES[rule](tree) == []


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the rules read, to plant violations in."""
    root = tmp_path_factory.mktemp("tree")
    for folder in ("plugins", "roles"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def plant(text: str, line: str, python: bool) -> str:
    if not python:
        return f"{text.rstrip()}\n{line}\n"
    place = max(
        match.end()
        for match in re.finditer(r"^from __future__ .*\n|^(?:from|import) .*(?:\((?:\n .*)+\n\))?\n", text, re.M)
    )
    # Documents of a module are planted at the end: the last assignment counts.
    return f"{text}\n{line}\n" if re.match(r"[A-Z]+ = ", line) else f"{text[:place]}{line}\n{text[place:]}"


@pytest.mark.parametrize(("rule", "name", "line", "told"), PLANTED)
def test_a_planted_violation_is_found(copy: Path, rule: str, name: str, line: str, told: str) -> None:
    path = copy / name
    whole = path.read_text(encoding="utf-8")
    path.write_text(plant(whole, line, name.endswith(".py")), encoding="utf-8")
    try:
        found = RULES[rule](Tree(copy))
    finally:
        path.write_text(whole, encoding="utf-8")
    assert len(found) >= 1 and any(re.search(told, sentence) for sentence in found), found


def test_every_rule_has_a_planted_violation() -> None:
    assert {rule for rule, *_ in PLANTED} == set(RULES)


@pytest.mark.parametrize("missing", ["README.md", "meta/argument_specs.yml"])
def test_a_role_without_its_papers_is_found(copy: Path, missing: str) -> None:
    path = copy / "roles" / "lustre_client" / missing
    kept = path.read_text(encoding="utf-8")
    path.unlink()
    try:
        assert any(missing in sentence for sentence in architecture.roles(Tree(copy)))
    finally:
        path.write_text(kept, encoding="utf-8")


def nothing_installed(argv, stdin=None, timeout=120.0):
    raise ToolMissing(argv[0])


def given_keys() -> dict[str, frozenset[str]]:
    """What modules return, as far as it can be seen without a node."""
    state = frozenset({"plan", "drift", "state"})
    whole = Inspector(nothing_installed, SECTIONS, ["version"], read=lambda path: "", kernel="k", hostname="h").node()
    return {
        **dict.fromkeys(
            (
                "changelog_user",
                "encryption_policy",
                "firewall",
                "ssk_key",
                "flavor",
                "gss",
                "kdc_principal",
                "keytab",
                "lnet",
                "luks",
                "mount",
                "nodemap",
                "param",
                "target",
                "zpool",
                "wipe",
            ),
            state,
        ),
        "kerberos_check": literal_keys("plugins/module_utils/_readers/kerberos_check.py", "check"),
        "node": literal_keys("plugins/module_utils/_node_values.py", "node_values") | {"drift"},
        "node_info": frozenset(whole),
        "nodemap_info": literal_keys("plugins/module_utils/_readers/nodemap_seen.py", "told"),
        "packages_info": literal_keys("plugins/module_utils/_readers/packages_info.py", "inspect") | {"processes"},
        "security_info": literal_keys("plugins/module_utils/_readers/security_info.py", "inspect")
        | (set(SECURITY) - {"keys"})
        | {"loaded_keys"},
        "site_info": literal_keys("plugins/module_utils/_readers/site_info.py", "site_of"),
        "verify": literal_keys("plugins/module_utils/_readers/verify.py", "verify"),
        "verify_ciphertext": literal_keys("plugins/module_utils/_readers/marked_files.py", "_told")
        | literal_keys("plugins/module_utils/_readers/device_bytes.py", "look"),
        "verify_encrypted": literal_keys("plugins/module_utils/_readers/ciphertext.py", "inspect"),
        "verify_expiry": literal_keys("plugins/module_utils/_readers/verify_expiry.py", "verify"),
        "verify_security": literal_keys("plugins/module_utils/_readers/verify_security.py", "verify"),
        "verify_tenants": literal_keys("plugins/module_utils/_readers/verify_tenants.py", "verify"),
        "verify_shared": literal_keys("plugins/module_utils/_readers/shared_files.py", "act"),
    }


def literal_keys(name: str, function: str) -> frozenset[str]:
    keys = architecture.returned_keys(Tree(ROOT).sources[name], function)
    assert keys, f"{name} has no function {function} that returns a mapping written there"
    return keys


def test_every_return_key_is_documented(tree: Tree, copy: Path) -> None:
    given = given_keys()
    modules = {source.stem for source in tree.sources.values() if source.under("modules")}
    assert modules - set(given) == {"report", "site_check"}, "a module whose return keys nobody looks at"
    assert architecture.return_documents(tree, given) == []
    planted = {**given, "node": given["node"] | {"colour"}}
    assert architecture.return_documents(tree, planted) == [
        "plugins/modules/node.py returns colour, which RETURN does not know"
    ]
