#!/usr/bin/env python3
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make (once) and find the pinned Python environments of ``requirements/``.

    envs.py NAME         prints the folder of the environment, making it when needed
    envs.py --first A B  the first of several that this machine's Pythons can run

An environment is keyed by its requirements file and its interpreter, built in a
temporary folder and moved into place, so an interrupted build leaves nothing half-made.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import pythons

ROOT = Path(__file__).resolve().parent.parent


def cache() -> Path:
    """The folder for everything that may be rebuilt: $LUSTRE_CORE_CACHE, or a system or user cache."""
    default = "/var/cache/lustre.core" if os.geteuid() == 0 else os.path.expanduser("~/.cache/lustre.core")
    return Path(os.environ.get("LUSTRE_CORE_CACHE", default))


def wanted_pythons(name: str) -> list[str]:
    """The versions named by the first line of a requirements file, best first."""
    path = ROOT / "requirements" / f"{name}.txt"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.txt")))
        sys.exit(f"There is no environment {name!r} in requirements/. Known: {known}.")
    match = re.match(r"# python: (.+)", path.read_text(encoding="utf-8"))
    if match is None:
        sys.exit(f"{path}: the first line must be '# python: 3.x 3.y', the versions the environment runs on.")
    return match[1].split()


def built_python(version: str) -> Path:
    """Where tools/pythons.py puts an interpreter that this machine lacks."""
    return cache() / "pythons" / version / "bin" / f"python{version}"


def find_python(version: str) -> str | None:
    """An interpreter of that version that has venv and runs: on PATH, in the usual places, or pyenv's."""
    places = [shutil.which(f"python{version}"), f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"]
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    places += sorted(glob.glob(f"{pyenv}/versions/{version}.*/bin/python{version}"), reverse=True)
    places.append(str(built_python(version)))
    check = f"import sys, venv, ensurepip; sys.exit('{version}' != '%d.%d' % sys.version_info[:2])"
    for place in places:
        if not place or not os.access(place, os.X_OK):
            continue
        if subprocess.run([place, "-c", check], capture_output=True, check=False).returncode == 0:
            return place
    return None


def interpreter(name: str) -> str | None:
    return next((found for version in wanted_pythons(name) if (found := find_python(version))), None)


def build_interpreter(name: str) -> str | None:
    """Build a Python that the environment runs on, where this machine allows it."""
    version = next((version for version in wanted_pythons(name) if pythons.can_build(version)), None)
    if version is None:
        return None
    place = built_python(version)
    place.parent.parent.parent.mkdir(parents=True, exist_ok=True)
    with open(place.parent.parent.parent / f".{version}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return find_python(version) or str(pythons.build(version, place.parent.parent))


def first(names: list[str]) -> str:
    """The first environment that a Python of this machine runs; the last one when none does (its error says why)."""
    return next((name for name in names if interpreter(name)), names[-1])


def ensure(name: str) -> Path:
    """The folder of the environment ``name``; built when it is not there yet."""
    python = interpreter(name) or build_interpreter(name)
    if python is None:
        sys.exit(
            f"The environment {name!r} needs one of Python {', '.join(wanted_pythons(name))} with venv, and none was found "
            "(searched PATH, /usr/bin, /usr/local/bin and pyenv). Install one, for example `apt-get install python3 python3-venv` "
            "or `pyenv install`, and run again."
        )
    text = (ROOT / "requirements" / f"{name}.txt").read_bytes()
    key = hashlib.sha256(text + os.path.realpath(python).encode()).hexdigest()[:12]
    folder = cache() / "envs" / f"{name}-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f".{name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            _build(name, python, folder)
    return folder


def _build(name: str, python: str, folder: Path) -> None:
    print(f"Making the Python environment {name} (once, under a minute) ...", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    log = folder / "pip.log"
    with open(log, "w", encoding="utf-8") as stream:
        done = subprocess.run(
            [
                str(folder / "bin" / "python"),
                "-m",
                "pip",
                "install",
                "--no-input",
                "-r",
                str(ROOT / "requirements" / f"{name}.txt"),
            ],
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        shutil.rmtree(folder, ignore_errors=True)
        sys.exit(f"Could not install requirements/{name}.txt with {python}. pip said last:\n{tail}")
    (folder / "ready").touch()


def main(words: list[str]) -> None:
    if words[:1] == ["--first"]:
        words = [first(words[1:])]
    if len(words) != 1:
        sys.exit("Usage: envs.py NAME | envs.py --first NAME NAME ...")
    print(ensure(words[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
