#!/usr/bin/env python3
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Build the tarball, install it into an empty folder, and ask the installed collection for its documentation."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import envs
from sanity import tracked_copy

OUT = envs.ROOT / "build"


def run(words: list[str], cwd: Path, environ: dict[str, str]) -> str:
    done = subprocess.run(words, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"`{' '.join(words)}` failed with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only-build", action="store_true")
    only_build = parser.parse_args().only_build
    env = envs.ensure("ansible-2.21")
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lustre-core-build-") as folder:
        tree, place = Path(folder) / "tree", Path(folder) / "installed"
        environ = {**os.environ, "HOME": folder, "ANSIBLE_COLLECTIONS_PATH": str(place), "ANSIBLE_NOCOLOR": "1"}
        tracked_copy(envs.ROOT, tree)
        run([f"{env}/bin/ansible-galaxy", "collection", "build", "--force", "--output-path", str(OUT)], tree, environ)
        tarball = max(OUT.glob("lustre-core-*.tar.gz"), key=os.path.getmtime)
        print(f"built {tarball.relative_to(envs.ROOT)}")
        if only_build:
            return
        install = [f"{env}/bin/ansible-galaxy", "collection", "install", "--offline", "--force", "-p", str(place)]
        run([*install, str(tarball)], Path(folder), environ)
        checks = check_docs(env, place, Path(folder), environ) + check_playbooks(env, place, Path(folder), environ)
    print(f"{checks} passed")


def check_docs(env: Path, place: Path, cwd: Path, environ: dict[str, str]) -> int:
    """Every module, filter and inventory plugin of the installed tarball has documentation; returns how many."""
    count = 0
    for kind in ("module", "filter", "inventory"):
        listed = json.loads(
            run([f"{env}/bin/ansible-doc", "--json", "--list", "-t", kind, "lustre.core"], cwd, environ)
        )
        if not listed:
            sys.exit(f"the installed tarball has no {kind}: the build ignores too much")
        told = json.loads(run([f"{env}/bin/ansible-doc", "--json", "-t", kind, *listed], cwd, environ))
        undocumented = [name for name in listed if not told.get(name, {}).get("doc", {}).get("short_description")]
        if undocumented:
            sys.exit(f"without documentation: {', '.join(undocumented)}")
        count += len(listed)
    modules = (place / "ansible_collections/lustre/core/plugins/modules").glob("[a-z]*.py")
    print(f"documented: {count} plugins, of them {len(list(modules))} modules")
    return count


def check_playbooks(env: Path, place: Path, cwd: Path, environ: dict[str, str]) -> int:
    """Every shipped playbook is found by its full name and parses."""
    names = sorted(path.stem for path in (place / "ansible_collections/lustre/core/playbooks").glob("*.yml"))
    if "site" not in names:
        sys.exit("the installed tarball has no playbooks/site.yml")
    for name in names:
        run([f"{env}/bin/ansible-playbook", "--syntax-check", "-i", "localhost,", f"lustre.core.{name}"], cwd, environ)
    return len(names)


if __name__ == "__main__":
    main()
