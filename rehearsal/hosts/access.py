# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the controller gets into the hosts: keys, ssh_config, known_hosts, an inventory; and waiting until it can."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rehearsal.hosts import guest, interrupt
from rehearsal.hosts.errors import RehearsalError, run
from rehearsal.hosts.layout import Layout, Site, write_atomically


def make_keys(site: Site) -> None:
    """Fresh keys for the controller and for each host; they live and go with the site."""
    ssh = site.layout.ssh
    ssh.mkdir(mode=0o700, exist_ok=True)
    wanted = [(str(ssh / "id_ed25519"), f"controller of rehearsal site {site.layout.site}")]
    wanted += [guest.keys_of(site.layout.host(host.name)) for host in site.spec.hosts]
    for path, comment in wanted:
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path], f"make the SSH key {path}")


def ssh_options(layout: Layout) -> list[str]:
    return ["-F", str(layout.ssh_config)]


def ssh_config(site: Site) -> str:
    lines = [
        f"# Rehearsal site {site.layout.site}. Use: ssh -F {site.layout.ssh_config} HOST",
        f"Host {' '.join(f'{name} {address}' for name, address in site.addresses.items())}",
        "  User root",
        f"  IdentityFile {site.layout.ssh / 'id_ed25519'}",
        "  IdentitiesOnly yes",
        f"  UserKnownHostsFile {site.layout.ssh / 'known_hosts'}",
        "  GlobalKnownHostsFile /dev/null",
        "  StrictHostKeyChecking yes",
        "  PasswordAuthentication no",
        "  GSSAPIAuthentication no",
        "  ConnectTimeout 10",
        "  ServerAliveInterval 10",
        "  LogLevel ERROR",
    ]
    for name, address in site.addresses.items():
        lines += [f"Host {name}", f"  HostName {address}"]
    return "\n".join([*lines, ""])


def known_hosts(site: Site) -> str:
    lines = []
    for name, address in site.addresses.items():
        kind, key = Path(f"{site.layout.host(name).host_key}.pub").read_text().split()[:2]
        lines.append(f"{name},{address} {kind} {key}\n")
    return "".join(lines)


def variables_of(site: Site, host: str) -> dict[str, object]:
    """Variables by which Ansible reaches a host, and those that the spec gives it."""
    return {
        **site.spec.variables,
        **site.host(host).variables,
        "ansible_connection": "ssh",
        "ansible_host": site.addresses[host],
        "ansible_port": 22,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(site.layout.ssh / "id_ed25519"),
        "ansible_ssh_common_args": " ".join(ssh_options(site.layout)),
        "ansible_control_path_dir": str(site.layout.control_paths),
        "ansible_python_interpreter": "/usr/bin/python3",
    }


def write_files(site: Site) -> None:
    """All files that a user or Ansible connects with.

    The variables are written twice: in the inventory itself, and as host_vars beside it,
    since host_vars of the user's own inventory would win over an inventory file.
    """
    layout = site.layout
    layout.control_paths.mkdir(mode=0o700, exist_ok=True)
    write_atomically(layout.ssh / "known_hosts", known_hosts(site))
    write_atomically(layout.ssh_config, ssh_config(site))
    variables = {host.name: variables_of(site, host.name) for host in site.spec.hosts}
    write_atomically(layout.inventory, as_yaml({"all": {"hosts": variables}}))
    for name, values in variables.items():
        write_atomically(layout.inventory.parent / "host_vars" / f"{name}.yml", as_yaml(values))


def as_yaml(data: dict[str, object]) -> str:
    """Mappings as block YAML, all else as JSON (which YAML includes)."""
    return "---\n" + "".join(_block(data, 0))


def _block(data: dict[str, object], depth: int) -> list[str]:
    lines = []
    for key, value in data.items():
        if isinstance(value, dict) and value:
            lines += [f"{'  ' * depth}{key}:\n", *_block(value, depth + 1)]
        else:
            lines.append(f"{'  ' * depth}{key}: {json.dumps(value)}\n")
    return lines


def wait_for(site: Site, hosts: list[str], seconds: float) -> dict[str, str]:
    """Wait, for all hosts at once, until each has finished booting and takes a login.

    Returns what systemd says of each host (``running``, or ``degraded`` with the failed units).
    """
    deadline = time.monotonic() + seconds
    with ThreadPoolExecutor(max_workers=min(len(hosts), 16)) as pool:
        answers = dict(zip(hosts, pool.map(lambda host: _wait_for_one(site, host, deadline), hosts), strict=True))
    interrupt.check()
    silent = {host: answer for host, answer in answers.items() if answer.startswith("no answer")}
    if silent:
        details = "; ".join(f"{host}: {answer}" for host, answer in silent.items())
        raise RehearsalError(
            f"{len(silent)} of {len(hosts)} hosts could not be reached by SSH within {seconds:g} s ({details}). "
            f"`rehearse logs {next(iter(silent))}` shows how far it came."
        )
    return answers


def _wait_for_one(site: Site, host: str, deadline: float) -> str:
    last = "it was never asked"
    while (left := deadline - time.monotonic()) > 0 and not interrupt.wished():
        last = _banner(site.addresses[host], min(left, 3.0)) or _login(site, host, min(left, 15.0))
        if last.startswith("is "):
            return last.removeprefix("is ")
        time.sleep(0.1)
    return f"no answer ({last})"


def _banner(address: str, timeout: float) -> str:
    """Empty when a SSH server greets; asking costs nothing, a whole ssh process does."""
    try:
        with socket.create_connection((address, 22), timeout=timeout) as connection:
            connection.settimeout(timeout)
            return "" if connection.recv(4) == b"SSH-" else "port 22 does not greet as SSH"
    except OSError as error:
        return f"port 22: {error.strerror or error}"


def _login(site: Site, host: str, timeout: float) -> str:
    argv = [
        "ssh",
        *ssh_options(site.layout),
        "-o",
        "BatchMode=yes",
        host,
        "systemctl is-system-running --wait; systemctl --failed --plain --no-legend",
    ]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return "logged in, but the boot did not finish"
    words = done.stdout.split("\n")
    if done.returncode != 0 or not words[0]:
        return f"ssh: {done.stderr.strip() or 'no output'}"
    failed = [line.split()[0] for line in words[1:] if line.strip()]
    return f"is {words[0]}" + (f" ({', '.join(failed)})" if failed else "")


def close_shared_connections(layout: Layout) -> None:
    """End the SSH masters that Ansible left in the background for this site."""
    if not layout.control_paths.is_dir():
        return
    for path in layout.control_paths.iterdir():
        argv = ["ssh", "-o", f"ControlPath={path}", "-O", "exit", "-F", "/dev/null", "any"]
        subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)
