#!/usr/bin/env python3
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``make demo``: rehearsal hosts, the site playbook against them over SSH, and a table of what runs.

SECURITY=krb5p (or another flavor) in the environment: the same site, its connections secured.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import demo_security
import envs
import prepare
import stages

SITE = os.environ.get("LUSTRE_DEMO_SITE", "demo")
INVENTORY = envs.ROOT / "inventories" / "demo"
STARTED = time.monotonic()


def described() -> Path:
    """The inventory that the demo was made of."""
    secured = envs.cache() / f"inventory-{SITE}"
    return secured if secured.is_dir() else INVENTORY


def say(text: str) -> None:
    print(f"[{time.monotonic() - STARTED:6.1f} s] {text}", file=sys.stderr, flush=True)


def rehearse(*words: str, capture: bool = False) -> str:
    """Run the rehearsal command; it has said itself what is wrong when it fails."""
    command = [sys.executable, "-m", "rehearsal.hosts", *words]
    done = subprocess.run(command, cwd=envs.ROOT, text=True, stdout=subprocess.PIPE if capture else None, check=False)
    if done.returncode != 0:
        sys.exit(done.returncode)
    return done.stdout or ""


def ansible_env() -> Path:
    """The newest ansible-core that a Python of this machine runs."""
    return envs.ensure(envs.first(["ansible-2.21", "ansible-2.19"]))


def state() -> dict[str, str]:
    """Where the demo's files are; one sentence when there is no demo."""
    found = [site for site in json.loads(rehearse("status", "--json", capture=True)) if site["site"] == SITE]
    if not found:
        sys.exit("The demo is not up. `make demo` brings it up.")
    return dict(found[0])


def playbook(name: str, extra: list[str], capture: bool = False) -> str:
    """Run a playbook of the collection against the demo."""
    program = str(ansible_env() / "bin" / "ansible-playbook")
    command = [program, "-i", str(described()), "-i", state()["inventory"], f"lustre.core.{name}", *extra]
    environ = stages.environment()
    if not capture and sys.stdout.isatty():
        environ.pop("ANSIBLE_NOCOLOR", None)
        environ.pop("NO_COLOR", None)
    done = subprocess.run(
        command, cwd=envs.ROOT, env=environ, text=True, stdout=subprocess.PIPE if capture else None, check=False
    )
    if capture:
        print(done.stdout, end="")
    if done.returncode != 0:
        sys.exit(done.returncode)
    return done.stdout or ""


def up(extra: list[str]) -> None:
    rehearse("doctor")
    prepare.main()
    say("Python environment")
    env = ansible_env()
    flavor = os.environ.get("SECURITY", "")
    choose(flavor)
    say("packages of the simulated Lustre")
    packages = subprocess.run(
        [sys.executable, "-m", "rehearsal.packages", "--output", str(envs.cache() / "packages")],
        cwd=envs.ROOT,
        check=True,
        text=True,
        stdout=subprocess.PIPE,
    ).stdout.strip()
    listing = envs.cache() / f"inventory-{SITE}.json"
    with open(listing, "w", encoding="utf-8") as stream:
        command = [str(env / "bin" / "ansible-inventory"), "-i", str(described()), "--list"]
        subprocess.run(command, cwd=envs.ROOT, env=stages.environment(), check=True, stdout=stream)
    rehearse("up", "--site", SITE, "--inventory", str(listing), "--packages", packages)
    say("the site playbook, over SSH")
    playbook("site", extra)
    say("the site is up")
    if flavor:
        say(f"its connections become {flavor}, in stages")
        playbook("secure", [])
    playbook("status", [])
    print("Next: make demo-site (changes nothing), make demo-verify, make demo-shell HOST=client1, make demo-down.")


def choose(flavor: str) -> None:
    """The description that this demo is made of: the plain one, or the one with a flavor, and what that one has more."""
    folder = envs.cache() / f"inventory-{SITE}"
    if not flavor:
        shutil.rmtree(folder, ignore_errors=True)
        return
    try:
        _, more = demo_security.inventory(INVENTORY, folder, flavor)
    except demo_security.BadFlavor as error:
        sys.exit(str(error))
    print(f"The demo's description, and what asks for security ({folder}):\n{more}", flush=True)


def site(extra: list[str]) -> None:
    """Run the site playbook again and say plainly whether it changed anything."""
    text = playbook("site", extra, capture=True)
    recap = re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", text, re.M)
    changed = [host for host, count in recap if count != "0"]
    print(f"changed on {', '.join(changed)}" if changed else f"changed=0 on all {len(recap)} hosts")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "action",
        choices=("up", "site", "plan", "secure", "status", "verify", "stop", "start", "teardown", "shell", "down"),
    )
    words, extra = parser.parse_known_args()
    if words.action == "up":
        up(extra)
    elif words.action == "site":
        site(extra)
    elif words.action == "shell":
        if not extra or not extra[0]:
            sys.exit("Say which host: make demo-shell HOST=client1.")
        os.chdir(envs.ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "rehearsal.hosts", "shell", "--site", SITE, extra[0]])
    elif words.action == "down":
        rehearse("down", "--site", SITE)
    else:
        playbook(words.action, extra)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Interrupted. `make demo-down` takes away what is there; `make demo` goes on from it.")
