#!/usr/bin/env python3
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run ``ansible-test sanity`` on the files that git knows, in a collection tree of its own.

ansible-test insists on a path .../ansible_collections/lustre/core, and it fetches a pip
bootstrap script from a place that sites without a direct line to the internet do not
reach; a few lines that use Python's own ensurepip do the same and are put where it looks.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import envs

BOOTSTRAP = """
import os, subprocess, sys
# ensurepip sets PIP_CONFIG_FILE for its own process: hence a process of its own
subprocess.run([sys.executable, "-m", "ensurepip", "--default-pip"], check=True, stdout=subprocess.DEVNULL)
words = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
os.execv(sys.executable, [sys.executable, "-m", "pip", "install", *words])
"""


#: What users install; the project's own tools and tests are ruff's and mypy's business.
SHIPPED = [
    "plugins",
    "roles",
    "playbooks",
    "meta",
    "changelogs",
    "docs",
    "tests/sanity",
    "tests/config.yml",
    "galaxy.yml",
    "README.md",
    "LICENSE",
]


def tracked_copy(root: Path, target: Path) -> None:
    """Copy the shipped files that git tracks or would track (nothing that it ignores)."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *SHIPPED],
        cwd=root,
        check=True,
        capture_output=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        source = root / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def bootstrap_files(env: Path, home: Path) -> None:
    """Write the pip bootstrap script under the name that this release of ansible-test looks for."""
    source = next(env.glob("lib/python*/site-packages/ansible_test/_internal/python_requirements.py"))
    versions = set(re.findall(r"pip='([0-9.]+)'", source.read_text(encoding="utf-8")))
    if not versions:
        sys.exit(f"{source} no longer names the pip it bootstraps with; tools/sanity.py must learn the new place.")
    folder = home / ".ansible" / "test" / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    for version in versions:
        (folder / f"get_pip_{version.replace('.', '_')}.py").write_text(BOOTSTRAP, encoding="utf-8")


def main(words: list[str]) -> int:
    env = envs.ensure("ansible-2.21")
    home = envs.cache() / "ansible-test-home"
    home.mkdir(parents=True, exist_ok=True)
    bootstrap_files(env, home)
    version = next(env.glob("lib/python*")).name.removeprefix("python")
    with tempfile.TemporaryDirectory(prefix="lustre-core-sanity-") as folder:
        tree = Path(folder) / "ansible_collections" / "lustre" / "core"
        tracked_copy(envs.ROOT, tree)
        environ = {**os.environ, "HOME": str(home), "PATH": f"{env}/bin:{os.environ['PATH']}"}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [f"{env}/bin/ansible-test", "sanity", "--venv", "--python", version, *words]
        return subprocess.run(command, cwd=tree, env=environ, check=False, stdin=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
