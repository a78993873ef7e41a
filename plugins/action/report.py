# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action ``lustre.core.report``: a text for the reader of the terminal, as it is."""

from __future__ import annotations

import json
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import plain


class ActionModule(ActionBase):
    """Prints without the quoting and indenting that a task's result gets."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        self.validate_argument_spec(
            argument_spec={"text": {"type": "str"}, "data": {"type": "raw"}},
            mutually_exclusive=[("text", "data")],
            required_one_of=[("text", "data")],
        )
        text = self._task.args.get("text")
        shown = json.dumps(plain(self._task.args["data"]), indent=2) if text is None else str(plain(text))
        self._display.display("\n" + shown.strip("\n") + "\n")
        result["changed"] = False
        return result
