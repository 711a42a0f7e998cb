/**
 * The /init of an initramfs whose request brings none of its own.
 *
 * It needs nothing in the archive but BusyBox with its applet links, and it stands in for the whole of user space:
 * file systems mounted, a host name, a job-controlled root shell on the main console (that is what the prompt
 * `~ # ` and the probe come from) and one on the screen, and the power off when the main shell ends. /dev/console,
 * which the kernel opens for process 1, comes from the initramfs that every kernel carries built in.
 */

/** The script's text, for BusyBox ash; the file wants mode 0755. */
export const defaultInit = `#!/bin/sh
# /init: process 1 of a Bootgate initramfs, run by BusyBox ash. It must come up on any kernel that can run a
# program: whatever the kernel lacks is left out without a word, so that the console shows the system under test.

export PATH=/sbin:/usr/sbin:/bin:/usr/bin HOME=/root TERM=linux

# Runs a command and drops what it prints. It does so through a pipe: before /dev is mounted there is no /dev/null.
quietly() { _=$("$@" 2>&1); }

quietly mkdir -p /proc /sys /dev /tmp /run /root
quietly mount -t proc -o nosuid,nodev,noexec proc /proc
quietly mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
# A kernel without devtmpfs: mdev makes the nodes from what sysfs lists.
quietly mount -t devtmpfs -o nosuid,mode=0755 devtmpfs /dev || quietly mdev -s
quietly mkdir -p /dev/pts /dev/shm
quietly mount -t devpts -o nosuid,noexec,mode=0620,ptmxmode=0666 devpts /dev/pts
quietly mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /dev/shm
quietly mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /tmp
quietly mount -t tmpfs -o nosuid,nodev,mode=0755 tmpfs /run

quietly hostname bootgate
# Without a network this fails, and so be it. lo gets its address 127.0.0.1 from the kernel.
quietly ip link set lo up

# The power button (QEMU's system_powerdown) arrives as a key; acpid answers it with this script.
if [ -c /dev/null ] && quietly mkdir -p /etc/acpi/PWRF; then
	printf '#!/bin/sh\\nsync\\npoweroff -f\\n' >/etc/acpi/PWRF/00000080
	quietly chmod 755 /etc/acpi/PWRF/00000080
	acpid -l /run/acpid.log -p /run/acpid.pid >/dev/null 2>&1
fi

# The kernel lists its consoles here; the last one is what /dev/console stands for. That node itself can never be a
# controlling terminal ("can't access tty; job control turned off"), so the shell gets the device behind it.
console=
if [ -r /sys/class/tty/console/active ]; then
	read -r console </sys/class/tty/console/active
	console=\${console##* }
fi
# tty0 means whichever virtual terminal is in front: the first one, at boot.
[ "$console" != tty0 ] || console=tty1

cd "$HOME" || cd /

# A second shell on the screen, so that a picture of it shows a prompt too. It comes back when it ends: only the
# main console's shell decides when the machine goes down.
if [ -c /dev/tty1 ] && [ "$console" != tty1 ]; then
	while :; do
		setsid -c sh -l </dev/tty1 >/dev/tty1 2>&1
		sleep 1
	done &
fi

if [ -n "$console" ] && [ -c "/dev/$console" ]; then
	# A serial line's far end is some terminal emulator: vt100 is what they all understand.
	[ "$console" = tty1 ] || TERM=vt100
	setsid -c sh -l <"/dev/$console" >"/dev/$console" 2>&1
else
	# No sysfs to ask: BusyBox's own search for the terminal behind the console.
	setsid cttyhack sh -l
fi

sync
poweroff -f
# Without a way to cut the power, process 1 still must not end: the kernel would panic.
while :; do
	sleep 3600
done
`;
