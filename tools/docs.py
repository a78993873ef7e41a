#!/usr/bin/env python3
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``make docs``: the documentation site in build/docs, from the guides and from the collection's own documentation.

Any warning is a failure: of antsibull-docs about markup, of Sphinx about a link that leads nowhere.
The stage ``docs`` of ``make test`` builds the same into a folder that it throws away.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import envs
import stages

ROOT = envs.ROOT
OUT = ROOT / "build" / "docs"
SETTINGS = ROOT / "tools" / "docsite"
#: Pages outside of docs/, and what each is called on the site.
ELSEWHERE = {"CONTRIBUTING.md": "contributing", "CHANGELOG.md": "changelog", "rehearsal/DIFFERENCES.md": "differences"}
#: What ansible-doc lists; ``action`` has no documentation of its own, its modules have.
KINDS = ("module", "filter", "inventory", "callback", "role")
#: Places of Ansible's own documentation that pages of plugins refer to by label.
ANSIBLE = {
    "common_return_values": "reference_appendices/common_return_values.html Return Values",
    "action_plugins": "plugins/action.html Action plugins",
    "callback_plugins": "plugins/callback.html Callback plugins",
    "ansible_configuration_settings": "reference_appendices/config.html Ansible Configuration Settings",
}
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]*)(#[^)\s]*)?\)")
_CODE = re.compile(r"(```.*?^```|`[^`\n]*`)", re.S | re.M)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="build into a folder that is thrown away")
    check = parser.parse_args().check
    env = envs.ensure("docs")
    with tempfile.TemporaryDirectory(prefix="lustre-core-docs-") as folder:
        source, made = Path(folder) / "source", Path(folder) / "html"
        source.mkdir(mode=0o700)
        environ = {**stages.environment(), "PATH": f"{env}/bin:{os.environ.get('PATH', '')}", "HOME": folder}
        run([f"{env}/bin/antsibull-docs", "lint-collection-docs", "--plugin-docs", "."], ROOT, environ, silent=True)
        collect(env, source, environ)
        words = ["sphinx-build", "-W", "--keep-going", "-q", "-b", "html", str(source), str(made)]
        run([f"{env}/bin/{words[0]}", *words[1:]], ROOT, environ, silent=True)
        count = prove(env, source, made, environ)
        if not check:
            shutil.rmtree(OUT, ignore_errors=True)
            OUT.parent.mkdir(exist_ok=True)
            shutil.copytree(made, OUT)
            print(f"The site is in {(OUT / 'index.html').relative_to(ROOT)}.")
    print(f"{count} passed")


def run(words: list[str], cwd: Path, environ: dict[str, str], silent: bool = False) -> str:
    """Run a program; one that must be ``silent`` fails by saying anything."""
    done = subprocess.run(words, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).strip()
    if done.returncode != 0 or (silent and said):
        sys.exit(f"`{' '.join(words[:4])} ...` ended with exit code {done.returncode} and said:\n{said[-6000:]}")
    return done.stdout


def collect(env: Path, source: Path, environ: dict[str, str]) -> None:
    """The pages of plugins and roles as antsibull-docs writes them, and the guides with links that hold on the site."""
    words = ["collection", "--use-current", "--squash-hierarchy", "--no-breadcrumbs", "--fail-on-error"]
    target = source / "collections" / "lustre" / "core"
    target.mkdir(parents=True, mode=0o700)
    run([f"{env}/bin/antsibull-docs", *words, "--dest-dir", str(target), "lustre.core"], ROOT, environ)
    for name in ("conf.py", "index.md"):
        shutil.copy(SETTINGS / name, source / name)
    (source / "ansible.inv").write_bytes(inventory())
    for path, page in pages().items():
        (source / f"{page}.md").write_text(linked(path), encoding="utf-8")


def inventory() -> bytes:
    """ANSIBLE in the form that Sphinx reads (objects.inv, version 2)."""
    head = "# Sphinx inventory version 2\n# Project: ansible\n# Version: \n# The remainder is compressed using zlib.\n"
    lines = (f"{label} std:label -1 {place}\n" for label, place in ANSIBLE.items())
    return head.encode() + zlib.compress("".join(lines).encode())


def pages() -> dict[str, str]:
    """Each guide's path in the repository, and its name on the site."""
    guides = {
        f"docs/{path.name}": path.stem for path in (ROOT / "docs").glob("*.md") if not path.name.endswith(".in.md")
    }
    return {**guides, **ELSEWHERE}


def linked(path: str) -> str:
    """A guide's text; links to other guides lead to their pages, links to files of the repository to where it is."""
    known, folder = pages(), Path(path).parent
    home = re.search(r"^repository: (\S+)", (ROOT / "galaxy.yml").read_text(encoding="utf-8"), re.M)

    def there(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        if not target or "://" in target:
            return match[0]
        file = os.path.normpath(folder / target)
        if not (ROOT / file).exists():
            sys.exit(f"{path} links to {target}, which does not exist.")
        if file in known:
            return f"[{text}]({known[file]}.md{anchor})"
        return f"[{text}]({home[1] if home else ''}/blob/main/{file}{anchor})"

    parts = _CODE.split((ROOT / path).read_text(encoding="utf-8"))
    return "".join(part if number % 2 else _LINK.sub(there, part) for number, part in enumerate(parts))


def prove(env: Path, source: Path, made: Path, environ: dict[str, str]) -> int:
    """Every guide, module, plugin and role has a page that the site leads to; returns how many."""
    missing, count = [], 0
    front = (made / "index.html").read_text(encoding="utf-8")
    for page in pages().values():
        count += 1
        if f'href="{page}.html"' not in front:
            missing.append(f"the guide {page}")
    index = (made / "collections" / "lustre" / "core" / "index.html").read_text(encoding="utf-8")
    for kind in KINDS:
        listed = json.loads(
            run([f"{env}/bin/ansible-doc", "--json", "--list", "-t", kind, "lustre.core"], ROOT, environ)
        )
        if not listed:
            sys.exit(f"ansible-doc lists no {kind} of lustre.core, so nothing was proven about them.")
        for name in sorted(listed):
            count += 1
            page = f"{name.rpartition('.')[2]}_{kind}.html"
            if page not in index or not (made / "collections" / "lustre" / "core" / page).is_file():
                missing.append(f"the {kind} {name}")
    if missing:
        sys.exit(f"The site has no page for {', '.join(missing)}.")
    return count


if __name__ == "__main__":
    main()
