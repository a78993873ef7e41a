# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""mount.lustre under its second name: the package does not install it, a site may make the symbolic link."""

from __future__ import annotations

from .mount_lustre import main

__all__ = ["main"]
