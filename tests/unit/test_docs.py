# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The guides are true: what they name exists, what they quote is said, and every kind of error is explained."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import mounts
from ansible_collections.lustre.core.plugins.module_utils._resources import blank

ROOT = Path(__file__).parents[2]
GUIDES = sorted(
    [
        *(path for path in (ROOT / "docs").glob("*.md") if not path.name.endswith(".in.md")),
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "roles").glob("*/README.md"),
    ]
)
#: Folders of the repository that a path in a guide may begin with.
TOPS = "plugins|roles|playbooks|tests|tools|docs|rehearsal|inventories|molecule|requirements|changelogs"
PATH = re.compile(rf"^(?:\.\./)*((?:{TOPS})/[\w./*-]+)$")
#: Paths below plugins/ by which the guides shorten.
SHORT = re.compile(r"^((?:_site|_cli|_readers|_resources)/[\w.]+\.py|_[a-z_]+\.py)$")
FQCN = re.compile(r"\blustre\.core\.([a-z_]+)\b")
FUNCTION = re.compile(r"^([a-z_]+)\(\)$")


def spans(text: str) -> list[str]:
    """What stands in backticks, outside of blocks of code."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))


def sources(*tops: str) -> Iterator[Path]:
    for top in tops:
        yield from (
            path for path in (ROOT / top).rglob("*") if path.suffix in (".py", ".yml", ".sh") and path.is_file()
        )


def names() -> set[str]:
    """Everything that may stand after ``lustre.core.``."""
    found = {path.stem for kind in ("modules", "inventory", "filter", "action", "callback") for path in _of(kind)}
    found |= {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
    found |= {path.name for path in (ROOT / "roles").iterdir() if path.is_dir()}
    return found


def _of(kind: str) -> list[Path]:
    return [path for path in (ROOT / "plugins" / kind).glob("[a-z]*") if path.suffix in (".py", ".yml")]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_guide_names_exists(guide: Path) -> None:
    text = guide.read_text(encoding="utf-8")
    missing = [name for name in FQCN.findall(text) if name not in names()]
    for span in (span for span in spans(text) if not re.search("NOUN|NAME", span)):  # stand for a name of yours
        path, short = PATH.match(span), SHORT.match(span)
        if path and not list(ROOT.glob(path[1].rstrip("/"))):
            missing.append(span)
        if short and not list((ROOT / "plugins").rglob(short[1])):
            missing.append(span)
    for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text):
        if not (guide.parent / target).exists():
            missing.append(target)
    assert not missing, f"named by {guide.name}, but not there: {sorted(set(missing))}"


def test_functions_that_guides_name_are_defined() -> None:
    defined = {
        node.name
        for path in sources("plugins", "rehearsal", "tests", "tools")
        if path.suffix == ".py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }
    named = {
        match[1] for guide in GUIDES for span in spans(guide.read_text("utf-8")) if (match := FUNCTION.match(span))
    }
    assert named, "no guide names a function: the pattern is wrong"
    assert named <= defined, f"no such function: {sorted(named - defined)}"


# Troubleshooting

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
#: Messages of ansible-core itself that are explained, too.
FOREIGN = {
    "YAML parsing failed",
    "Tabs are usually invalid in YAML.",
    "could not be verified by inventory plugin 'lustre.core.site'",
    "specifies unknown plugin",
    "Failed to connect to the host via ssh",
    "Missing sudo password",
    "Permission denied",
    "Operation not permitted",
}


def corpus() -> str:
    """All that the collection can say: sources with the pieces of split strings joined, blanks made one."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources("plugins", "roles", "playbooks"))
    text = re.sub(r'"\s*\n\s*(?:\+ )?f?"', "", text).replace('\\"', '"')
    return re.sub(r"\s+", " ", text)


def quoted() -> list[str]:
    """The messages that headings and tables of the page quote."""
    rows = re.findall(r"^\| `[A-Za-z]+` \| (.+?) \|", PAGE, re.M)
    heads = [head for head in re.findall(r"^### (.+)$", PAGE, re.M) if "`" in head and head.startswith("`")]
    return [span for text in [*heads, *rows] for span in re.findall(r"`([^`]+)`", text)]


def test_quoted_messages_are_said() -> None:
    said, silent = corpus(), []
    for message in quoted():
        if message.rstrip(".") in {foreign.rstrip(".") for foreign in FOREIGN}:
            continue
        pieces = [
            piece.strip(" :,.") for piece in message.replace("PATH: what is wrong. What to do.", "...").split("...")
        ]
        silent += [f"{message!r} ({piece!r})" for piece in pieces if piece and not _said(piece, said)]
    assert len(quoted()) > 80
    assert not silent, "nobody says any more:\n" + "\n".join(silent)


def _said(piece: str, said: str) -> bool:
    """``Refused to format`` is put together of two places, ``[ost]`` stands for any phase."""
    rest = piece.removeprefix("Refused to ").removeprefix("Could not ")
    return (
        piece in said or piece == "[ost]" or (rest != piece and any(f"{quote}{rest}" in said for quote in ('"', ": ")))
    )


def errors() -> set[str]:
    """Every class of error that a user can meet."""
    found, known = set[str](), {"LustreError"}
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sources("plugins") if path.suffix == ".py"]
    for _ in range(3):
        for node in (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
            if any(isinstance(base, ast.Name) and base.id in known for base in node.bases):
                found.add(node.name)
                known.add(node.name)
    return found


def test_every_kind_of_error_is_explained() -> None:
    explained = set(re.findall(r"^\| `([A-Z][A-Za-z]+)` \|", PAGE, re.M))
    assert len(errors()) >= 10
    assert explained == errors()


def test_every_problem_with_packages_is_explained() -> None:
    text = (ROOT / "plugins/module_utils/_readers/packages_info.py").read_text(encoding="utf-8")
    codes = set(re.findall(r'self\._problem\(\s*"([a-z0-9]+)"', text))
    table = PAGE.split("## Packages")[1].split("###")[0]
    assert len(codes) >= 10
    assert codes == set(re.findall(r"^\| `([a-z0-9]+)` \|", table, re.M))


def test_every_refusal_is_explained() -> None:
    """By what was refused: the first words of ``Refused(...)``, wherever they are not a variable."""
    doings = set()
    for path in sources("plugins"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if path.suffix == ".py" else ():
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refused" and node.args:
                doings |= _first_word(node.args[0])
    assert len(doings) >= 15
    assert not {word for word in doings if f"Refused to {word}" not in PAGE}


def _first_word(node: ast.expr) -> set[str]:
    text = node.values[0] if isinstance(node, ast.JoinedStr) else node
    value = text.value if isinstance(text, ast.Constant) else ""
    return {str(value).split()[0]} if str(value).split() else set()


def test_every_probe_and_every_exit_code_of_mount_is_explained() -> None:
    probes = {name for name, _ in blank.PROBES}
    assert probes <= set(re.findall(r"`([a-z]+)`", PAGE.split("The message names the probe")[1].split("###")[0]))
    table = PAGE.split("### `Could not mount ...`")[1].split("###")[0]
    told = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", table, re.M) for code in row.split(",")}
    assert set(mounts._CAUSES) <= told
