# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Global settings of LNet (``lnetctl set``, ``lnetctl global show``), routing on/off and the router's buffers.

Most of the settings are module parameters: they outlive ``lnet unconfigure`` and go with the module.  The checks are
those of the kernel, which are few: almost every number is taken.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..sim_error import SimError

if TYPE_CHECKING:
    from ..node import Operation
    from .lnet import Lnet

# Key → (default, name of the module parameter); order as shown. lnd_timeout is derived, numa_range is not a parameter.
PARAMETERS: dict[str, tuple[int, str]] = {
    "max_interfaces": (200, "lnet_interfaces_max"),
    "discovery": (1, "lnet_peer_discovery_disabled"),
    "drop_asym_route": (0, "lnet_drop_asym_route"),
    "retry_count": (2, "lnet_retry_count"),
    "transaction_timeout": (150, "lnet_transaction_timeout"),
    "health_sensitivity": (100, "lnet_health_sensitivity"),
    "recovery_interval": (1, "lnet_recovery_interval"),
    "router_sensitivity": (100, "router_sensitivity_percentage"),
    "response_tracking": (3, "lnet_response_tracking"),
    "recovery_limit": (0, "lnet_recovery_limit"),
    "max_recovery_ping_interval": (900, "lnet_max_recovery_ping_interval"),
}
SHOWN = (
    "numa_range",
    "max_interfaces",
    "discovery",
    "drop_asym_route",
    "retry_count",
    "transaction_timeout",
    "health_sensitivity",
    "recovery_interval",
    "router_sensitivity",
    "lnd_timeout",
    "response_tracking",
    "recovery_limit",
    "max_recovery_ping_interval",
)
DEFAULT_BUFFERS = {"tiny": 2048, "small": 16384, "large": 1024}
BUFFER_PAGES = {"tiny": 0, "small": 1, "large": 256}
# States of routing as the kernel numbers them (and ``routing show`` prints them).
DISABLED, ENABLED, STOPPING, STARTING = 0, 1, 2, 3
MIN_INTERFACES = 16


class Settings:
    """Numbers by name. ``routing`` is a state: it starts and stops with a delay, and forwards in between."""

    def __init__(self, lnet: Lnet) -> None:
        self._lnet = lnet
        self._pools: dict[str, int] | None = None
        self.reset()

    def reset(self) -> None:
        """The module is loaded anew."""
        self._values = {key: default for key, (default, _parameter) in PARAMETERS.items()}
        self._module_buffers = dict(DEFAULT_BUFFERS)
        self._routing_since = 0.0
        self.configured()

    def ops(self) -> Mapping[str, Operation]:
        return {"set": self.set, "global_show": self.global_show, "routing_show": self.routing_show}

    def from_module(self, options: Mapping[str, str]) -> None:
        """Options that were on disk when the module was loaded."""
        for key, (_default, parameter) in PARAMETERS.items():
            text = options.get(parameter, "")
            if text.isdigit():
                self._values[key] = int(not int(text)) if key == "discovery" else int(text)
        for size in DEFAULT_BUFFERS:
            text = options.get(f"{size}_router_buffers", "")
            if text.isdigit() and int(text):
                self._module_buffers[size] = int(text)

    def configured(self) -> None:
        self._numa_range = 0
        self.routing = DISABLED
        self._pools = None

    def get(self, key: str) -> int:
        return self._values[key]

    # -- setting -----------------------------------------------------------------------------------------------

    def set(self, key: str, value: int) -> None:
        """SimError(ENETDOWN) for what is not a module parameter while LNet is not configured."""
        with self._lnet.lock:
            self._lnet.module_options()
            if key == "numa_range":
                self._lnet.require(errno.ENETDOWN, "")
                self._numa_range = value & 0xFFFFFFFF
            elif key == "routing":
                self._lnet.require(errno.ENETDOWN, "")
                self._set_routing(bool(value))
            elif key in DEFAULT_BUFFERS:
                self._lnet.require(errno.ENETDOWN, "")
                self._set_buffers(key, value)
            elif key in PARAMETERS:
                self._check(key, value)
                self._values[key] = int(bool(value)) if key in ("discovery", "drop_asym_route") else value
            else:
                raise SimError(errno.EINVAL, f"no setting {key}")

    def _check(self, key: str, value: int) -> None:
        now = self._values
        bad = (
            (key == "max_interfaces" and value < MIN_INTERFACES)
            or (key == "health_sensitivity" and not 0 <= value <= 1000)
            or (key == "retry_count" and not 0 <= value <= now["transaction_timeout"])
            or (key == "retry_count" and value > 0 and now["health_sensitivity"] == 0)
            or (key == "transaction_timeout" and (value <= now["retry_count"] or value <= 0))
            or (key == "router_sensitivity" and not 0 <= value <= 100)
            or (key == "response_tracking" and not 0 <= value <= 3)
            or (key in ("recovery_interval", "max_recovery_ping_interval") and value < 1)
        )
        if bad:
            raise SimError(errno.EINVAL, f"{key} = {value}")

    def _set_routing(self, wanted: bool) -> None:
        if wanted and self.routing == STOPPING:
            self._lnet.node.log("LNetError: Cannot enable routing while it is being stopped")
            raise SimError(errno.EBUSY, "routing is being stopped")
        if wanted and self.routing == DISABLED:
            self._pools = dict(self._module_buffers if self._pools is None else DEFAULT_BUFFERS)
            self._routing(STARTING)
        elif not wanted and self.routing in (ENABLED, STARTING):
            self._module_buffers = dict(DEFAULT_BUFFERS)
            self._routing(STOPPING)

    def _routing(self, state: int) -> None:
        self.routing = state
        self._routing_since = self._lnet.node.clock.time()

    def tick(self) -> None:
        """Starting and stopping take the real kernel 110 s (router check interval + ping time-out); here less."""
        with self._lnet.lock:
            delay = float(self._lnet.node.settings.get("routing_delay", 3.0))
            if self.routing in (STARTING, STOPPING) and self._lnet.node.clock.time() - self._routing_since >= delay:
                if self.routing == STOPPING:
                    self._pools = dict.fromkeys(DEFAULT_BUFFERS, 0)
                self._routing(ENABLED if self.routing == STARTING else DISABLED)

    def _set_buffers(self, size: str, value: int) -> None:
        if value < 0:
            raise SimError(errno.EINVAL, f"{size} = {value}")
        if self.routing != DISABLED and self._pools is not None:  # else accepted and forgotten, as in the kernel
            self._pools[size] = value or DEFAULT_BUFFERS[size]

    # -- showing -----------------------------------------------------------------------------------------------

    def global_show(self) -> dict[str, Any]:
        """All values in the tools' order; numa_range and lnd_timeout are None while LNet is not configured."""
        with self._lnet.lock:
            self._lnet.module_options()
            up = self._lnet.configured
            values: dict[str, Any] = {
                **self._values,
                "numa_range": self._numa_range if up else None,
                "lnd_timeout": self.lnd_timeout() if up else None,
            }
            return {key: values[key] for key in SHOWN}

    def lnd_timeout(self) -> int:
        return max((self._values["transaction_timeout"] - 1) // (self._values["retry_count"] + 1), 1)

    def routing_show(self) -> dict[str, Any] | None:
        """None while the buffer pools were never made."""
        with self._lnet.lock:
            self._lnet.require(errno.ENETDOWN, "Network is down")
            self.tick()
            if self._pools is None:
                return None
            return {
                "enable": self.routing,
                "pools": [
                    {"name": size, "npages": BUFFER_PAGES[size], "nbuffers": count}
                    for size, count in self._pools.items()
                ],
            }

    @property
    def forwards(self) -> bool:
        return self.routing != DISABLED
