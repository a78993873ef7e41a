# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the recordings call /root/fscrypt_ioctl.py: MOUNT DIRECTORY [--remove], said in their words by the collection's own calls."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "plugins/module_utils/_cli/fscrypt_ioctl.py"
KEY = bytes(range(64))


def main(mount: str, directory: str, *words: str) -> int:
    spec = importlib.util.spec_from_file_location("fscrypt_ioctl", TOOL)
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    name = tool.identifier(KEY)
    with tool.opened(mount) as keys, tool.opened(directory) as fd:
        if words == ("--remove",):
            print("REMOVE_KEY ok", tool.remove_key(tool._kernel, keys, name, all_users=False))
            return 0
        told = tool.add_key(tool._kernel, keys, KEY)
        print(f"ADD_KEY ok 0\nidentifier {told}")
        tool.set_policy(tool._kernel, fd, tool.policy(1, 4, told))
        found = tool.get_policy(tool._kernel, fd)
        print(f"SET_POLICY ok 0\nGET_POLICY_EX ok 0\npolicy {found.hex()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
