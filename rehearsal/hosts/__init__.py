# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Throw-away hosts for rehearsals: systemd containers on one Linux machine.

One *keeper* process per site owns everything the kernel counts references for: the
mount namespace with the overlays, the network namespaces with bridges and veth
pairs, the loop devices (autoclear), and the containers (death signal).  When it
ends, however it ends, the kernel takes all of that down with it; what then remains
(cgroup directories, files) has names that can be derived from the site's name.
"""
