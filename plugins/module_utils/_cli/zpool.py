# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""zpool: pools that are imported, pools that could be, their properties and members."""

from __future__ import annotations

from ansible_collections.lustre.core.plugins.module_utils._cli.zfs import parse_rows
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

TIMEOUT = 60.0


def imported(run: Runner) -> dict[str, str]:
    """Names of the imported pools with their health, such as ``{"ostpool": "ONLINE"}``."""
    argv = ["zpool", "list", "-H", "-o", "name,health"]
    rc, out, err = run(argv, None, TIMEOUT)
    if rc != 0 or err.strip() not in ("", "no pools available"):
        raise ToolError("list the imported ZFS pools", argv, rc, out, err)
    rows = parse_rows(out, 2, "the imported pools")
    return {row[0]: row[1] for row in rows}
