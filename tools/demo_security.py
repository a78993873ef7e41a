# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``make demo SECURITY=krb5p``: the demo's description, and the few lines that ask for security, as a user would add them."""

from __future__ import annotations

import difflib
import shutil
from pathlib import Path

KERBEROS = ("krb5n", "krb5a", "krb5i", "krb5p")
SHARED_KEYS = ("skn", "ska", "ski", "skpi")
#: A realm of the demo's own: its KDC is the server of the MGS.
_REALM = """
kerberos:
  realm: LAB.EXAMPLE
  domain: lab.example
  kdcs: [mds1]

# A laboratory without a DNS: /etc/hosts gives each address its full name.
vars:
  lustre_kerberos_hosts_file: true
"""


class BadFlavor(Exception):
    """Not a flavor that the demo can show; the text says which there are."""


def secured(text: str, flavor: str) -> str:
    """A site file with security: flavors of each of its file systems, and where keys come from."""
    if flavor not in (*KERBEROS, *SHARED_KEYS):
        raise BadFlavor(f"SECURITY={flavor}: the demo can show {', '.join((*KERBEROS, *SHARED_KEYS))}.")
    lines = []
    for line in text.splitlines():
        lines.append(line)
        if line.startswith("  - name: "):
            lines.append(f"    flavors: {flavor}")
            lines += ["    ssk: {}"] if flavor in SHARED_KEYS else []
    return "\n".join(lines) + "\n" + (_REALM if flavor in KERBEROS else "")


def inventory(demo: Path, folder: Path, flavor: str) -> tuple[Path, str]:
    """The demo's inventory with security in a folder of its own, and what it has that the demo has not, for people."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(demo, folder)
    (path,) = folder.glob("*lustre.yml")
    before = path.read_text(encoding="utf-8")
    after = secured(before, flavor)
    path.write_text(after, encoding="utf-8")
    shown = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)
    return folder, "\n".join(line for line in shown if not line.startswith(("---", "+++")))
