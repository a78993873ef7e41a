# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keys of principals, taken out of the database of a KDC as keytabs.

They pass a folder that only root can enter, in memory (/run), for as long as one kadmin runs; ``-norandkey``, so that
an export changes no key.
"""

from __future__ import annotations

import base64
import os
import tempfile
from typing import Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import keytab_file
from ansible_collections.lustre.core.plugins.module_utils._cli.krb5 import Kadmin
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

FOLDER = "/run"


def export(run: Runner, kadmin: Kadmin, names: Sequence[str], folder: str = FOLDER) -> dict[str, str]:
    """By principal a keytab with all its keys, in base64; ToolError when kadmin gives one of them not."""
    if not names:
        return {}
    with tempfile.TemporaryDirectory(prefix=".lustre-keys-", dir=folder) as private:
        paths = {name: os.path.join(private, str(number)) for number, name in enumerate(names)}
        _out, err = kadmin.run(run, [("ktadd", "-norandkey", "-k", path, name) for name, path in paths.items()], 600.0)
        return {name: _content(kadmin, name, path, err) for name, path in paths.items()}


def _content(kadmin: Kadmin, name: str, path: str, err: str) -> str:
    data = keytab_file.read_state(path).data
    entries = keytab_file.parse_keytab(data, path) if data else []
    if not any(entry.principal == name for entry in entries):
        remedy = "An administrator needs the privilege e (extract-keys) in kadm5.acl for that, which `*` does not hold."
        raise ToolError(f"export the keys of {name}", kadmin.argv, 0, "", err, remedy=remedy)
    return base64.b64encode(data).decode()
