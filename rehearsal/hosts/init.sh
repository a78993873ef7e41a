#!/bin/sh
# The first process of a rehearsal host: does for systemd what udev would have done, then becomes systemd.
#
# Containers have no udev.  Without its records systemd knows no device units: fstab entries
# for block devices are ignored, and units ordered after a network interface never find it.
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

# A read-only /sys is how systemd tells that there are no devices; what is below stays read-only.
mount -o remount,rw /sys

mkdir -p /run/udev/data /run/udev/tags/systemd

# record ID [LINE ...]: what udev knows of a device, in the format of its database
record() {
    id=$1
    shift
    printf '%s\n' "$@" I:1 G:systemd Q:systemd V:1 >"/run/udev/data/$id"
    : >"/run/udev/tags/systemd/$id"
}

while read -r kernel link; do
    mkdir -p "/dev/${link%/*}"
    ln -sfn "/dev/$kernel" "/dev/$link"
    record "b$(cat "/sys/class/block/$kernel/dev")" "S:$link"
done </etc/rehearsal-devices

for interface in /sys/class/net/*; do
    record "n$(cat "$interface/ifindex")" "E:SYSTEMD_ALIAS=/sys/subsystem/net/devices/${interface##*/}"
done

exec /lib/systemd/systemd "$@"
