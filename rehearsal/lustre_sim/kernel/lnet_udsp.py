# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""User-defined selection policies: an ordered list of rules. They are kept and shown; the choice of rails ignores them."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..sim_error import SimError
from .nids import canonical_net, is_nid_expression

if TYPE_CHECKING:
    from ..node import Operation
    from .lnet import Lnet

FIELDS = ("src", "dst", "rte")


class Udsp:
    def __init__(self, lnet: Lnet) -> None:
        self._lnet = lnet
        self._rules: list[dict[str, Any]] = []

    def ops(self) -> Mapping[str, Operation]:
        return {"udsp_add": self.add, "udsp_del": self.delete, "udsp_show": self.show}

    def clear(self) -> None:
        self._rules.clear()

    def add(
        self,
        src: str | None = None,
        dst: str | None = None,
        rte: str | None = None,
        priority: int | None = None,
        idx: int = -1,
    ) -> None:
        """``idx`` -1 = at the end. EALREADY for a rule that exists with the same action."""
        for field, text in zip(FIELDS, (src, dst, rte)):
            if text is not None and not is_nid_expression(text):
                raise SimError(errno.EINVAL, f"failed to parse {field} parameter")
        rule: dict[str, Any] = {
            field: canonical_net(text) or text for field, text in zip(FIELDS, (src, dst, rte)) if text is not None
        }
        if priority is not None:
            rule["priority"] = priority
        with self._lnet.lock:
            self._lnet.require(errno.ENETDOWN, "")
            if rule in self._rules:
                raise SimError(errno.EALREADY, "")
            self._rules.insert(idx if idx >= 0 else len(self._rules), rule)

    def delete(self, idx: int = -1) -> None:
        """``idx`` -1 = all of them."""
        with self._lnet.lock:
            self._lnet.require(errno.ENETDOWN, "")
            if idx < 0:
                self._rules.clear()
            elif idx < len(self._rules):
                del self._rules[idx]
            else:
                raise SimError(errno.ENOENT, "")

    def show(self, idx: int = -1) -> list[dict[str, Any]]:
        with self._lnet.lock:
            self._lnet.require(errno.ENETDOWN, "")
            return [{"idx": place, **rule} for place, rule in enumerate(self._rules) if idx in (-1, place)]
