#!/bin/bash
# Boots a throw-away systemd as PID 1 of namespaces of its own, on an overlay over /: nothing it does is kept.
# usage, as root: boot_systemd.sh CGROUP [SOURCE TARGET ro|rw]...   (each SOURCE is seen inside at TARGET)
# It ends when this process is killed. Never start systemd on the real root: systemd-tmpfiles empties the real /tmp.
set -euo pipefail
mkdir "$1"
echo $$ > "$1/cgroup.procs"
shift
exec setpriv --pdeathsig KILL unshare --mount --pid --fork --cgroup --ipc --uts --net --kill-child \
    --propagation private bash -euc '
B=/mnt
mount -t tmpfs -o size=1g,mode=755 sandbox $B
mkdir $B/up $B/wk $B/root
mount -t overlay overlay -o lowerdir=/,upperdir=$B/up,workdir=$B/wk $B/root
R=$B/root
mount -t tmpfs -o mode=755 tmpfs $R/dev
for device in null zero full random urandom tty; do
    touch $R/dev/$device
    mount --bind /dev/$device $R/dev/$device
done
mkdir $R/dev/pts $R/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts $R/dev/pts
mount -t tmpfs tmpfs $R/dev/shm
ln -s pts/ptmx $R/dev/ptmx
ln -s /proc/self/fd $R/dev/fd
for stream in 0:stdin 1:stdout 2:stderr; do ln -s /proc/self/fd/${stream%%:*} $R/dev/${stream##*:}; done
mount -t tmpfs -o mode=755 tmpfs $R/run
mkdir $R/run/lock
for folder in tmp var/tmp; do mount -t tmpfs -o mode=1777 tmpfs $R/$folder; done
mount -t tmpfs -o mode=755 tmpfs $R/var/log
mount -t sysfs -o ro sysfs $R/sys
mount -t cgroup2 cgroup2 $R/sys/fs/cgroup
mount -t proc proc $R/proc
mount --bind $R/proc/sys $R/proc/sys
mount -o remount,ro,bind $R/proc/sys
for file in sysrq-trigger kcore kmsg; do
    [ ! -e $R/proc/$file ] || mount --bind /dev/null $R/proc/$file
done
while [ $# -gt 0 ]; do
    mkdir -p "$R$2"
    mount --bind "$1" "$R$2"
    mount -o "remount,bind,$3" "$R$2"
    shift 3
done
cd $R
mkdir -p .old
pivot_root . .old
cd /
umount -l /.old
rm -f /etc/systemd/system/*.wants/* /etc/fstab
cat > /etc/systemd/system/sandbox.target <<UNIT
[Unit]
DefaultDependencies=no
Requires=systemd-journald.socket systemd-journald.service
After=systemd-journald.service
UNIT
for name in udevd udev-trigger sysctl modules-load remount-fs tmpfiles-setup tmpfiles-setup-dev journal-flush \
    update-utmp timesyncd random-seed
do
    ln -sf /dev/null /etc/systemd/system/systemd-$name.service
done
lost=-sys_module,-sys_boot,-sys_time,-syslog,-sys_rawio,-mac_admin,-mac_override,-mknod
exec setpriv --bounding-set=$lost env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=sandbox \
    SYSTEMD_LOG_TARGET=journal /lib/systemd/systemd --system --unit=sandbox.target
' bash "$@"
