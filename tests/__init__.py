# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every test of the project; each folder says in its ``README.md`` or ``__init__.py`` what it is for.

In the order in which they ask for more of the machine: ``unit`` and ``bad_input`` (nothing), ``rehearsal_sim`` and
``contract`` (root, for loop devices and FUSE), ``rehearsal_hosts`` and ``site`` (hosts of their own). ``recordings.py``
reads what was recorded of real Lustre.
"""
