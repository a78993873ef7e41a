# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command ``rehearse``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from rehearsal.hosts import access, cgroups, control, doctor, guest, interrupt, keeper, lifecycle
from rehearsal.hosts import spec as spec_module
from rehearsal.hosts.errors import NotHere, RehearsalError
from rehearsal.hosts.layout import Layout, Site, cache_root, sites

_INTERRUPTED = 130


class Progress:
    """A line per step, with the seconds since the start."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def __call__(self, text: str) -> None:
        print(f"[{time.monotonic() - self.began:6.1f} s] {text}", file=sys.stderr, flush=True)


def _layout(arguments: argparse.Namespace) -> Layout:
    """The site that is meant: named, or the only one there is."""
    if arguments.site:
        return Layout(arguments.site)
    known = sites()
    if len(known) == 1:
        return Layout(known[0])
    listed = ", ".join(known) or "none"
    raise RehearsalError(f"Say which site is meant by --site NAME or LUSTRE_CORE_SITE (there are: {listed}).")


def _spec(arguments: argparse.Namespace) -> spec_module.Spec:
    if arguments.spec:
        spec = spec_module.load(Path(arguments.spec))
        packages = arguments.packages or spec.packages
    else:
        from rehearsal.hosts import inventory  # it loads the collection's code, which the keeper has no use for

        only = arguments.hosts.split(",") if arguments.hosts else ()
        spec, packages = inventory.from_paths(arguments.inventory, only), arguments.packages
    changed = {**spec.to_dict(), "packages": os.path.abspath(packages) if packages else ""}
    spec = spec_module.parse(changed)
    sources = [bind.source for bind in [*spec.binds, *(bind for host in spec.hosts for bind in host.binds)]]
    for source in [*sources, *([spec.packages] if spec.packages else [])]:
        if not Path(source).exists():
            raise RehearsalError(f"{source} is to be shown inside the hosts, but does not exist.")
    return spec


def _simulated() -> dict[str, Any]:
    """Packages of the simulated Lustre, and the variables by which the role lustre_packages takes them."""
    from rehearsal.packages.build import BuildError, repository

    try:
        folder = repository(cache_root() / "packages")
    except BuildError as error:
        raise RehearsalError(str(error)) from error
    variables = {
        "lustre_packages_source": "repository",
        "lustre_packages_repositories": [f"file:{guest.PACKAGES_IN_HOST}"],
        "lustre_packages_gpg_check": False,
        "lustre_packages_version": "",
    }
    return {"packages": str(folder), "variables": variables}


def _up(arguments: argparse.Namespace) -> int:
    say = Progress()
    layout = Layout(arguments.site or "demo")
    doctor.check()
    doctor.ensure_tools(say)
    spec = _spec(arguments)
    if not spec.packages and not arguments.spec:
        spec = replace(spec, **_simulated())
    site = lifecycle.up(layout, spec, owner=arguments.with_process, wait=arguments.wait, say=say)
    print(f"Site {layout.site} is up: {len(site.spec.hosts)} hosts, management network {site.subnet}.")
    print(f"  ansible -i YOUR-INVENTORY -i {layout.inventory} all -m ansible.builtin.ping")
    print(f"  ssh -F {layout.ssh_config} {site.spec.hosts[0].name}")
    return 0


def _down(arguments: argparse.Namespace) -> int:
    say = Progress()
    for layout in [Layout(name) for name in sites()] if arguments.all else [_layout(arguments)]:
        lifecycle.down(layout)
        say(f"site {layout.site} is down")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    report = [_status_of(Layout(arguments.site))] if arguments.site else [_status_if_readable(name) for name in sites()]
    if arguments.json:
        print(json.dumps(report, indent=2))
        return 0
    for entry in report or [{"site": "", "running": True, "hosts": {}}]:
        if not entry["site"]:
            print("There is no rehearsal site. Make one with `rehearse up`.")
            continue
        if "problem" in entry:
            print(f"site {entry['site']} cannot be read: {entry['problem']}")
            continue
        print(f"site {entry['site']}" + ("" if entry["running"] else " (not running; clear it with `rehearse gc`)"))
        for name, host in entry["hosts"].items():
            shown = f"{host['state']}, booted {host['boots']}x" + (f" ({host['reason']})" if host["reason"] else "")
            print(f"  {name:<20} {host['address']:<16} {shown}")
    return 0


def _status_if_readable(name: str) -> dict[str, Any]:
    """One of all sites: one that is damaged, or that another release has made, says so and stands in nobody's way."""
    try:
        return _status_of(Layout(name))
    except RehearsalError as error:
        return {"site": name, "running": False, "problem": str(error), "hosts": {}}


def _status_of(layout: Layout) -> dict[str, Any]:
    site = Site.load(layout)
    running = control.alive(layout) is not None
    hosts = control.ask(layout, "status")["hosts"] if running else {}
    unknown = {"state": "off", "boots": 0, "reason": ""}
    return {
        "site": layout.site,
        "running": running,
        "inventory": str(layout.inventory),
        "ssh_config": str(layout.ssh_config),
        "shared": str(layout.shared),
        "hosts": {name: {"address": a, **hosts.get(name, unknown)} for name, a in site.addresses.items()},
    }


def _exec(arguments: argparse.Namespace) -> int:
    layout = _layout(arguments)
    name = Site.load(layout).host(arguments.host).name
    command = ["/bin/bash", "-l"] if arguments.command == "shell" else arguments.words
    if not command:
        raise RehearsalError("Say what to run: rehearse exec HOST COMMAND [ARGUMENT ...].")
    control.ask(layout, "status")  # says so when the whole site is not running
    cgroups.ensure()
    leader = guest.leader(layout.host(name))
    if leader is None:
        raise RehearsalError(f"{name} is not running. Start it with `rehearse start {name}`.")
    _become_guest(layout, name, guest.enter_argv(leader, command))


def _become_guest(layout: Layout, host: str, argv: list[str]) -> NoReturn:
    """Run the command as one of the host's processes: it ends with the host."""
    cgroups.enter(layout.host(host).cgroup)
    sys.stdout.flush()
    os.execvp(argv[0], argv)


def _power(arguments: argparse.Namespace) -> int:
    """reboot, kill, start, poweroff."""
    layout, say = _layout(arguments), Progress()
    site = Site.load(layout)
    names = [site.host(name).name for name in arguments.hosts]
    before = control.ask(layout, "status")["hosts"]
    hard = arguments.command == "reboot" and arguments.hard
    for name in names:
        for operation in ("kill", "start") if hard else (arguments.command,):
            control.ask(layout, operation, name)
    if arguments.command in ("reboot", "start"):
        fresh = 1 if arguments.command == "reboot" else 0
        _wait_until(layout, {n: before[n]["boots"] + fresh for n in names}, "on", arguments.wait)
        access.wait_for(site, names, arguments.wait)
    elif arguments.command == "poweroff":
        _wait_until(layout, dict.fromkeys(names, 0), "off", arguments.wait)
    done = {"reboot": "booted again", "start": "on", "kill": "without power", "poweroff": "off"}[arguments.command]
    say(f"{', '.join(names)}: {done}")
    return 0


def _wait_until(layout: Layout, boots: dict[str, int], state: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        hosts = control.ask(layout, "status")["hosts"]
        late = [n for n, count in boots.items() if hosts[n]["boots"] < count or hosts[n]["state"] != state]
        if not late:
            return
        if time.monotonic() > deadline or any(hosts[n]["state"] == "failed" for n in late):
            details = "; ".join(f"{n} is {hosts[n]['state']} {hosts[n]['reason']}".strip() for n in late)
            raise RehearsalError(f"Not {state} within {seconds:g} s: {details}. `rehearse logs HOST` shows why.")
        time.sleep(0.1)


def _logs(arguments: argparse.Namespace) -> int:
    layout = _layout(arguments)
    name = Site.load(layout).host(arguments.host).name
    place = layout.host(name)
    if place.console.exists():
        print("\n".join(place.console.read_text(errors="replace").splitlines()[-arguments.lines :]), flush=True)
    # read from the outside: works after a power cut as well
    argv = ["journalctl", "--no-pager", f"--lines={arguments.lines}", f"--directory={place.upper / 'var/log/journal'}"]
    return subprocess.run(argv, check=False).returncode if (place.upper / "var/log/journal").is_dir() else 0


def _doctor(arguments: argparse.Namespace) -> int:
    doctor.check()
    missing = doctor.missing_packages()
    will = f" `rehearse up` will install {', '.join(missing)}." if missing else ""
    print(f"This machine can carry a rehearsal.{will}")
    return 0


def _gc(arguments: argparse.Namespace) -> int:
    print("\n".join(f"removed {what}" for what in lifecycle.gc(arguments.prefix)) or "Nothing to remove.")
    return 0


def _leftovers(arguments: argparse.Namespace) -> int:
    found = lifecycle.leftovers(arguments.site, arguments.prefix)
    print("\n".join(found) or "Nothing of a rehearsal is left on this machine.")
    return 1 if found else 0


def _make_spec(arguments: argparse.Namespace) -> int:
    print(json.dumps(_spec(arguments).to_dict(), indent=2))
    return 0


def _keep(arguments: argparse.Namespace) -> int:
    return keeper.main(arguments.name, arguments.report, arguments.owner or None, arguments.lock)


def _source(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--spec", metavar="FILE", help="description of the site, YAML or JSON")
    source.add_argument(
        "--inventory",
        action="append",
        metavar="PATH",
        help="an Ansible inventory, or a .json file with the output of `ansible-inventory --list`; may be given again",
    )
    parser.add_argument("--hosts", default="", metavar="NAMES", help="with --inventory: only these hosts and groups")
    parser.add_argument(
        "--packages",
        metavar="DIR",
        default="",
        help=f"package repository, seen as {guest.PACKAGES_IN_HOST}; with --inventory, without this: simulated Lustre",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rehearse", description="Throw-away hosts to rehearse a Lustre site on.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, action: object, text: str, site: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(action=action)
        if site:
            sub.add_argument("--site", default=os.environ.get("LUSTRE_CORE_SITE", ""), help="name of the site")
        return sub

    make = add("up", _up, "make a site")
    _source(make)
    make.add_argument(
        "--wait", type=float, default=120, metavar="SECONDS", help="for all hosts to answer (default 120)"
    )
    make.add_argument("--with-process", type=int, metavar="PID", help="take the site down when this process ends")
    add("down", _down, "remove a site").add_argument("--all", action="store_true", help="all sites")
    add("status", _status, "what is there").add_argument("--json", action="store_true")
    add("shell", _exec, "a root shell in a host").add_argument("host")
    run = add("exec", _exec, "run a command in a host, without SSH")
    run.add_argument("host")
    run.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    for name, text in (
        ("reboot", "reboot hosts in order"),
        ("kill", "cut the power of hosts"),
        ("start", "power hosts on"),
        ("poweroff", "shut hosts down in order"),
    ):
        power = add(name, _power, text)
        power.add_argument("hosts", nargs="+", metavar="HOST")
        power.add_argument("--wait", type=float, default=90, metavar="SECONDS")
        power.add_argument(
            "--hard", action="store_true", help="reboot by power cut" if name == "reboot" else argparse.SUPPRESS
        )
    logs = add("logs", _logs, "console and journal of a host")
    logs.add_argument("host")
    logs.add_argument("--lines", type=int, default=200)
    add("doctor", _doctor, "can this machine carry a rehearsal?", site=False)
    collect = add("gc", _gc, "remove what crashes left, and bases unused for 30 days", site=False)
    collect.add_argument("--prefix", default="", metavar="TEXT", help="only sites whose name begins so")
    left = add("leftovers", _leftovers, "list all of ours that is on this machine; exit code 1 if there is anything")
    left.add_argument("--prefix", default="", metavar="TEXT", help="only of sites whose name begins so")
    _source(add("spec", _make_spec, "print the spec that `up` would use", site=False))
    keep = commands.add_parser("_keep")  # what `up` starts; not for people
    keep.add_argument("name")
    keep.add_argument("report", type=int)
    keep.add_argument("owner", type=int)
    keep.add_argument("lock", type=int)
    keep.set_defaults(action=_keep)
    return parser


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    if arguments.command != "_keep":
        interrupt.install()
    try:
        if os.geteuid() != 0 and arguments.command not in ("doctor", "spec"):
            doctor.check()
        return int(arguments.action(arguments))
    except RehearsalError as error:
        print(error if isinstance(error, NotHere) else f"rehearse: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("rehearse: interrupted", file=sys.stderr)
        return _INTERRUPTED
