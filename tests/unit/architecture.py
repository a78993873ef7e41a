"""The house rules of the code as functions over a tree of files: each returns what breaks it, as sentences.

They read the sources (ast, text) and import nothing of them, so that a test can hand in a
copy of the tree with one planted violation.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

PACKAGE = "ansible_collections.lustre.core."
LONGEST = 450
#: What any resource may use beside its own helpers (files whose name begins with the resource's): by file, who.
SHARED: Mapping[str, frozenset[str]] = {
    "stable": frozenset({"target", "zpool", "luks"}),
    "blank": frozenset({"target", "zpool", "wipe", "luks"}),
    "partners": frozenset({"target", "wipe"}),
    "blank_system": frozenset({"target"}),
    "unread": frozenset({"blank", "target", "wipe", "luks"}),
    # A wipe is of a target: it must recognise it by the same words.
    "target_want": frozenset({"wipe"}),
    "target_diff": frozenset({"wipe"}),
}
#: The bottom of the house: values, errors, the runner.  Tools may use these, and these use only each other.
BASE = frozenset(
    {"_errors", "_run", "_plan", "_nid", "_nid_range", "_units", "_param_names", "_param_table", "_options"}
)
#: What a resource may use of module_utils beside tools and the base.
RESOURCE_ALSO = frozenset({"_engine"})
STARTERS = re.compile(
    r"(?:os\.(?:system|popen|exec\w+|spawn\w+|posix_spawnp?|fork(?:pty)?)|asyncio\.create_subprocess_\w+)\Z"
)
STARTING_MODULES = frozenset({"subprocess", "pty", "multiprocessing", "commands", "popen2", "pexpect"})
SIMULATION = re.compile(r"rehears|simulat|lustre[_-]sim", re.I)


@dataclass
class Source:
    """One Python file; ``name`` is its path below the tree with slashes."""

    name: str
    text: str

    @cached_property
    def code(self) -> ast.Module:
        return ast.parse(self.text, self.name)

    @property
    def stem(self) -> str:
        return self.name.rpartition("/")[2].removesuffix(".py")

    def under(self, *folders: str) -> bool:
        return any(self.name.startswith(f"plugins/{folder}/") for folder in folders)

    @cached_property
    def attributes(self) -> list[tuple[int, str]]:
        """Every ``a.b`` with its line."""
        return [(node.lineno, ast.unparse(node)) for node in ast.walk(self.code) if isinstance(node, ast.Attribute)]

    @cached_property
    def imports(self) -> list[str]:
        """Dotted names of all that is imported at run time; ``from a import b`` gives ``a.b``."""
        return [name for node in _executed(self.code) for name in _imported(node)]


@cache
def _source(name: str, text: str) -> Source:
    """The same text is parsed once, in however many copies of the tree it stands."""
    return Source(name, text)


def _executed(code: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under ``if TYPE_CHECKING``."""
    for node in ast.iter_child_nodes(code):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield from (inner for branch in node.orelse for inner in _executed(branch))
            continue
        yield node
        yield from _executed(node)


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names]
    return []


@dataclass
class Tree:
    """The checkout, or a copy of its ``plugins`` and ``roles``."""

    root: Path
    sources: dict[str, Source] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in sorted(self.root.glob("plugins/**/*.py")):
            name = path.relative_to(self.root).as_posix()
            self.sources[name] = _source(name, path.read_text(encoding="utf-8"))

    def own_imports(self, source: Source) -> list[str]:
        """Files of this tree that a file imports."""
        found = []
        for dotted in source.imports:
            if dotted.startswith(PACKAGE):
                path = dotted[len(PACKAGE) :].replace(".", "/")
                for name in (f"{path}.py", f"{path.rpartition('/')[0]}.py"):
                    if name in self.sources:
                        found.append(name)
                        break
        return list(dict.fromkeys(found))

    def texts(self) -> Iterator[tuple[str, str]]:
        """Every text file below plugins and roles."""
        for folder in ("plugins", "roles"):
            for path in sorted((self.root / folder).rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    yield path.relative_to(self.root).as_posix(), path.read_text(encoding="utf-8")


def module_imports_module(tree: Tree) -> list[str]:
    """A module stands on module_utils alone."""
    found = []
    for source in tree.sources.values():
        if source.under("modules"):
            found += [
                f"{source.name} imports {name}"
                for name in tree.own_imports(source)
                if not name.startswith("plugins/module_utils/")
            ]
    return found


def module_reaches_past_resources(tree: Tree) -> list[str]:
    """A module calls a resource or a reader, never a tool by itself."""
    return [
        f"{source.name} imports the tool {name}"
        for source in tree.sources.values()
        if source.under("modules")
        for name in tree.own_imports(source)
        if "/_cli/" in name
    ]


def backward(tree: Tree) -> list[str]:
    """site → role → module → resource → tool: nobody imports what stands before it."""
    found = []
    for source in tree.sources.values():
        for name in tree.own_imports(source):
            if source.under("module_utils") and not name.startswith("plugins/module_utils/"):
                found.append(f"{source.name} imports {name}")
            if source.under("plugin_utils") and not name.startswith(("plugins/module_utils/", "plugins/plugin_utils/")):
                found.append(f"{source.name} imports {name}")
            if source.under("action", "filter", "inventory", "lookup") and not name.startswith(
                ("plugins/module_utils/", "plugins/plugin_utils/")
            ):
                found.append(f"{source.name} imports {name}")
    return found


def ansible_below_modules(tree: Tree) -> list[str]:
    """Nothing in module_utils knows Ansible: no resource, no tool, not even the edge."""
    return [
        f"{source.name} imports {dotted}"
        for source in tree.sources.values()
        if source.under("module_utils")
        for dotted in source.imports
        if dotted.split(".")[0] == "ansible"
    ]


def relative_imports(tree: Tree) -> list[str]:
    """Whole names only, so that these rules (and ansible-test) see every import."""
    return [
        f"{source.name} imports {dotted}"
        for source in tree.sources.values()
        for dotted in source.imports
        if dotted.startswith(".")
    ]


def resource_imports(tree: Tree) -> list[str]:
    """A resource imports the base, tools, its own helpers and what SHARED grants; never another resource."""
    found = []
    for source in tree.sources.values():
        if not source.under("module_utils/_resources"):
            continue
        for name in tree.own_imports(source):
            other = name.rpartition("/")[2].removesuffix(".py")
            if "/_resources/" in name:
                same_noun = source.stem.partition("_")[0] == other.partition("_")[0]
                granted = source.stem.partition("_")[0] in SHARED.get(other, ())
                if not same_noun and not granted:
                    found.append(f"{source.name} imports the resource file {name}")
                if same_noun and "_" not in other:
                    found.append(f"{source.name} is a helper of {other} and imports it")
            elif "/_cli/" not in name and other not in BASE | RESOURCE_ALSO:
                found.append(f"{source.name} imports {name}")
    return found


def reader_imports(tree: Tree) -> list[str]:
    """A reader imports the base, tools, other readers and what is wanted (``*_want.py``): it tells and never acts."""
    return [
        f"{source.name} imports {name}"
        for source in tree.sources.values()
        if source.under("module_utils/_readers")
        for name in tree.own_imports(source)
        if "/_cli/" not in name
        and "/_readers/" not in name
        and not name.endswith("_want.py")
        and name.rpartition("/")[2].removesuffix(".py") not in BASE
    ]


def tool_imports(tree: Tree) -> list[str]:
    """A tool's file imports the base and other tools' files."""
    return [
        f"{source.name} imports {name}"
        for source in tree.sources.values()
        if source.under("module_utils/_cli")
        for name in tree.own_imports(source)
        if "/_cli/" not in name and name.rpartition("/")[2].removesuffix(".py") not in BASE
    ]


def base_imports(tree: Tree) -> list[str]:
    return [
        f"{source.name} imports {name}"
        for source in tree.sources.values()
        if source.name.startswith("plugins/module_utils/_") and source.name.count("/") == 2 and source.stem in BASE
        for name in tree.own_imports(source)
        if name.rpartition("/")[2].removesuffix(".py") not in BASE
    ]


def starts_programs(tree: Tree) -> list[str]:
    """Only ``_run.py`` starts a program."""
    found = []
    for source in tree.sources.values():
        if source.name == "plugins/module_utils/_run.py":
            continue
        found += [
            f"{source.name} imports {dotted}"
            for dotted in source.imports
            if dotted.split(".")[0] in STARTING_MODULES or STARTERS.match(dotted)
        ]
        for line, used in source.attributes:
            if STARTERS.match(used) or used.rpartition(".")[2] in ("run_command", "_low_level_execute_command"):
                found.append(f"{source.name}:{line} uses {used}")
    return found


def mentions_simulation(tree: Tree) -> list[str]:
    return [
        f"{name}:{number} says {line.strip()[:80]!r}"
        for name, text in tree.texts()
        for number, line in enumerate(text.splitlines(), start=1)
        if SIMULATION.search(line)
    ]


def too_long(tree: Tree) -> list[str]:
    lengths = {source.name: len(source.text.splitlines()) for source in tree.sources.values()}
    return [f"{name} has {count} lines" for name, count in lengths.items() if count > LONGEST]


def cycles(tree: Tree) -> list[str]:
    """Import cycles, each told once; depth first over the graph of this tree's files."""
    graph = {name: tree.own_imports(source) for name, source in tree.sources.items()}
    found: list[str] = []
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        if name in way:
            found.append(" → ".join((*way[way.index(name) :], name)))
            return
        if name in done:
            return
        for other in graph[name]:
            visit(other, (*way, name))
        done.add(name)

    for name in graph:
        visit(name, ())
    return found


# ---- documentation ---------------------------------------------------------------------------


def documented(source: Source) -> dict[str, Any]:
    """The three documents of a module or plugin, as text."""
    return {
        target.id: node.value.value
        for node in source.code.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def module_documents(tree: Tree) -> list[str]:
    """Every module has DOCUMENTATION, EXAMPLES and RETURN that can be read; the name and each option are described."""
    found = []
    for source in tree.sources.values():
        if not source.under("modules"):
            continue
        texts = documented(source)
        for name in ("DOCUMENTATION", "EXAMPLES", "RETURN"):
            try:
                read = yaml.safe_load(texts.get(name, ""))
            except yaml.YAMLError as error:
                read, texts[name] = None, str(error)
            if not read and not (name == "RETURN" and texts.get(name, "").strip().startswith("#")):
                found.append(f"{source.name} has no {name}")
        about = yaml.safe_load(texts.get("DOCUMENTATION") or "{}") or {}
        if about.get("module") != source.stem or not about.get("short_description"):
            found.append(f"{source.name} documents the module {about.get('module')!r}")
        found += [
            f"{source.name} does not describe {name}"
            for name, option in _options(about)
            if not option.get("description")
        ]
    return found


def _options(about: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, option in (about.get("options") or about.get("suboptions") or {}).items():
        yield name, option
        for inner, value in _options({"suboptions": option.get("suboptions")}):
            yield f"{name}.{inner}", value


def return_documents(tree: Tree, given: Mapping[str, frozenset[str]]) -> list[str]:
    """Each key that a module gives is documented; ``given`` are the keys by module (``changed``, ``diff`` are Ansible's)."""
    found = []
    for module, keys in given.items():
        source = tree.sources[f"plugins/modules/{module}.py"]
        told = yaml.safe_load(documented(source)["RETURN"]) or {}
        missing = sorted(keys - set(told) - {"changed", "diff", "warnings"})
        found += [f"{source.name} returns {key}, which RETURN does not know" for key in missing]
    return found


def roles(tree: Tree) -> list[str]:
    """Every role has a README and argument specs that cover its defaults, value for value where both give one."""
    found = []
    for role in sorted(path for path in (tree.root / "roles").iterdir() if path.is_dir()):
        name = f"roles/{role.name}"
        if not (role / "README.md").is_file():
            found.append(f"{name} has no README.md")
        specs = role / "meta" / "argument_specs.yml"
        if not specs.is_file():
            found.append(f"{name} has no meta/argument_specs.yml")
            continue
        read = yaml.safe_load(specs.read_text(encoding="utf-8"))["argument_specs"]
        options = {key: option for entry in read.values() for key, option in (entry.get("options") or {}).items()}
        found += [
            f"{specs.relative_to(tree.root)} does not describe {key}"
            for key, option in options.items()
            if not option.get("description")
        ]
        for path in sorted((role / "defaults").glob("**/*.yml")):
            for key, value in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).items():
                if key.startswith("__"):
                    continue
                if key not in options:
                    found.append(f"{name}: the argument specs do not know the default {key}")
                elif "default" in options[key] and "{{" not in str(value) and options[key]["default"] != value:
                    found.append(f"{name}: {key} is {value!r} in defaults and {options[key]['default']!r} in the specs")
    return found


def returned_keys(source: Source, function: str) -> frozenset[str]:
    """Constant keys of the mappings that a function returns: written in its ``return``, or in the name returned."""
    bodies = [node for node in ast.walk(source.code) if isinstance(node, ast.FunctionDef) and node.name == function]
    found: set[str] = set()
    for body in bodies:
        names: set[str] = set()
        for node in ast.walk(body):
            if isinstance(node, ast.Return) and isinstance(node.value, ast.Dict):
                found |= _keys(node.value)
            elif isinstance(node, ast.Return) and isinstance(node.value, ast.Name):
                names.add(node.value.id)
        for node in ast.walk(body):
            targets = (
                node.targets
                if isinstance(node, ast.Assign)
                else [node.target]
                if isinstance(node, ast.AnnAssign)
                else []
            )
            for target in targets:
                if isinstance(target, ast.Name) and target.id in names and isinstance(node.value, ast.Dict):
                    found |= _keys(node.value)
                if isinstance(target, ast.Subscript) and ast.unparse(target.value) in names:
                    found |= _keys(ast.Dict([target.slice], [target.slice]))
    return frozenset(found)


def _keys(node: ast.Dict) -> set[str]:
    return {key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
