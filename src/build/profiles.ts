/**
 * What the profiles ask of the kernel's and of BusyBox's Kconfig: data, with a reason beside each line.
 *
 * A half is a base (a make target) and the symbols that differ from it; each of them must be found again in the
 * final `.config`. The symbols of `minimal` were read back so from linux 6.1.192, 6.12.117 and 7.2.13: where a
 * line turns something off, it takes back a default that would cost time, bytes or noise, and a version that does
 * not know the symbol at all is content too.
 */

/**
 * One Kconfig symbol a profile asks for: name without CONFIG_, value as it stands in .config ("y", "n", or a quoted
 * string / number), and why it is there. "n" means unset or absent.
 */
export type ProfileSymbol = readonly [symbol: string, value: string, reason: string];

/** One program's half of a profile. */
export interface ProfileHalf {
  /** The make target to start from: `tinyconfig`, `defconfig`, … */
  readonly base: string;
  readonly symbols: readonly ProfileSymbol[];
}

/** A kernel configuration and a BusyBox configuration that belong together. */
export interface Profile {
  readonly description: string;
  readonly kernel: ProfileHalf;
  readonly busybox: ProfileHalf;
}

const minimalKernel: readonly ProfileSymbol[] = [
  // The processor, and how the kernel is entered
  ["64BIT", "y", "tinyconfig is 32-bit on x86"],
  ["SMP", "y", "`cpus` may ask for several; it also brings the RCU that reports stalls (the other is mute)"],
  ["NR_CPUS", "64", "x86's own default; tinyconfig's 1 would only be raised to 2"],
  ["HIGH_RES_TIMERS", "y", "without it every sleep is rounded up to a 4 ms tick"],
  ["NO_HZ_IDLE", "y", "an idle guest leaves the host's processor alone"],
  ["HYPERVISOR_GUEST", "y", "the menu that PVH and KVM_GUEST stand in"],
  ["PARAVIRT", "y", "KVM_GUEST needs it"],
  ["KVM_GUEST", "y", "kvmclock; and no timer check, which a busy host can fail"],
  ["PVH", "y", "boot path `pvh`: QEMU starts vmlinux itself, no real mode, no decompression"],
  ["ACPI", "y", "finds the processors and the devices, switches the power off"],
  ["ACPI_BUTTON", "y", "the power button, which is QEMU's system_powerdown"],
  ["PCI", "y", "the bus all of QEMU's devices are on"],
  ["EFI", "y", "boot path `uefi`"],
  ["EFI_STUB", "y", "boot path `uefi`: bzImage is a program that the firmware can start"],
  ["KERNEL_GZIP", "y", "unpacks 0.5 s sooner than tinyconfig's XZ under emulation, for 0.6 MB more"],

  // What a gate needs to see
  ["PRINTK", "y", "tinyconfig is silent"],
  ["PRINTK_TIME", "y", "the timeline comes from these stamps"],
  ["EARLY_PRINTK", "y", "earlyprintk=ttyS0: errors before the console driver, or in the decompressor"],
  ["BUG", "y", "without it WARN prints nothing and BUG goes on as if nothing had happened"],
  ["DEBUG_KERNEL", "y", "the menu that the detectors stand in"],
  ["DEBUG_BUGVERBOSE", "y", "file and line of a WARN or BUG"],
  ["KALLSYMS", "y", "traces with function names"],
  ["UNWINDER_FRAME_POINTER", "y", "exact traces without ORC's tables (GUESS lists false callers)"],
  ["SYMBOLIC_ERRNAME", "y", "%pe prints -ENOENT, not -2"],
  ["MAGIC_SYSRQ", "y", "a break on the serial line asks a hung kernel what it is doing"],
  ["SOFTLOCKUP_DETECTOR", "y", "a processor that spins in the kernel is reported after 20 s or so"],
  ["DETECT_HUNG_TASK", "y", "a task stuck in an uninterruptible sleep is reported after 120 s"],
  ["SCHED_STACK_END_CHECK", "y", "a stack that ran over is a panic at once, not a riddle later"],
  ["IKCONFIG", "y", "the kernel carries its own configuration"],
  ["IKCONFIG_PROC", "y", "… and shows it as /proc/config.gz"],
  ["RANDOMIZE_BASE", "n", "addresses in a trace are those of System.map, and the same at every boot"],

  // Consoles: serial and screen
  ["TTY", "y", "terminals at all"],
  ["SERIAL_8250", "y", "ttyS0"],
  ["SERIAL_8250_CONSOLE", "y", "console=ttyS0, what the gate reads"],
  ["VT", "y", "tty1, the screen's terminal"],
  ["VT_CONSOLE", "y", "console=tty0: kernel messages on the screen, for its picture"],
  ["VGA_CONSOLE", "y", "the screen after a BIOS: text mode"],
  ["FB", "y", "the screen after UEFI: OVMF leaves a framebuffer and no text mode"],
  ["FB_EFI", "y", "… the driver that takes that framebuffer over"],
  ["FRAMEBUFFER_CONSOLE", "y", "… and the text on it"],
  ["UNIX98_PTYS", "y", "/dev/pts: script, telnetd, anything that opens a terminal"],
  ["VIRTIO_CONSOLE", "y", "hvc0, where there is no serial port"],
  ["INPUT", "y", "keys"],
  ["INPUT_EVDEV", "y", "/dev/input/event*: acpid hears the power button there"],
  ["INPUT_KEYBOARD", "y", "the menu of keyboards"],
  ["KEYBOARD_ATKBD", "y", "typing at tty1: QEMU's default keyboard"],
  ["SERIO", "y", "the keyboard's port"],
  ["SERIO_I8042", "y", "… and its controller"],

  // What BusyBox on glibc expects of a kernel
  ["MULTIUSER", "y", "users and groups, and root's capabilities"],
  ["BINFMT_ELF", "y", "programs"],
  ["BINFMT_SCRIPT", "y", "#! scripts: /init is one"],
  ["FUTEX", "y", "glibc's locks"],
  ["EPOLL", "y", "event loops"],
  ["SIGNALFD", "y", "event loops"],
  ["TIMERFD", "y", "event loops"],
  ["EVENTFD", "y", "event loops"],
  ["INOTIFY_USER", "y", "watching files: inotifyd, tail -f"],
  ["POSIX_TIMERS", "y", "timer_create, and clock_gettime beyond the basic clocks"],
  ["FILE_LOCKING", "y", "flock"],
  ["ADVISE_SYSCALLS", "y", "madvise, which glibc's malloc uses"],
  ["MEMBARRIER", "y", "asked for by glibc and language runtimes"],
  ["RSEQ", "y", "glibc 2.35 and newer registers it in every thread"],
  ["SYSVIPC", "y", "ipcs and syslogd's ring buffer"],

  // File systems, and the initramfs
  ["BLK_DEV_INITRD", "y", "the initramfs"],
  ["RD_GZIP", "y", "compression gzip"],
  ["RD_XZ", "y", "compression xz"],
  ["RD_ZSTD", "y", "compression zstd"],
  ["RD_LZ4", "y", "compression lz4"],
  ["RD_BZIP2", "n", "not offered by `compression`"],
  ["RD_LZMA", "n", "not offered by `compression`"],
  ["RD_LZO", "n", "not offered by `compression`"],
  ["PROC_FS", "y", "/proc: ps, top, mount, the probe's look at `tainted`"],
  ["PROC_SYSCTL", "y", "/proc/sys"],
  ["SYSFS", "y", "/sys: the list of consoles, mdev"],
  ["SHMEM", "y", "TMPFS needs it: kconfig drops TMPFS without a word otherwise"],
  ["TMPFS", "y", "/tmp, /run, /dev/shm"],
  ["DEVTMPFS", "y", "/dev fills itself"],
  ["BLOCK", "y", "disks at all"],
  ["BLK_DEV", "y", "the menu of block devices"],
  ["BLK_DEV_LOOP", "y", "mount -o loop"],
  ["VFAT_FS", "y", "boot.img's own file system"],
  ["NLS_CODEPAGE_437", "y", "FAT's short names; mount -t vfat fails without it"],
  ["NLS_ISO8859_1", "y", "FAT's long names; mount -t vfat fails without it"],
  ["EFI_PARTITION", "y", "GPT, which disks made elsewhere have"],

  // Devices: disk, network, entropy, clock
  ["VIRTIO_MENU", "y", "the menu of virtio transports"],
  ["VIRTIO_PCI", "y", "virtio devices on PCI"],
  ["VIRTIO_BLK", "y", "QEMU's fast disk"],
  ["SCSI", "y", "ATA disks are SCSI disks to the kernel"],
  ["BLK_DEV_SD", "y", "/dev/sda"],
  ["ATA", "y", "the menu of ATA controllers"],
  ["SATA_AHCI", "y", "the disk controller of q35 and of nearly all real machines"],
  ["ATA_SFF", "n", "the IDE controllers before AHCI: looking for their disks takes 0.1 s of every boot"],
  ["NET", "y", "networking at all"],
  ["INET", "y", "TCP/IP"],
  ["UNIX", "y", "local sockets: syslogd, logger"],
  ["PACKET", "y", "udhcpc, arping"],
  ["IP_PNP", "y", "ip=… on the kernel command line: a network without a script in the guest"],
  ["IP_PNP_DHCP", "y", "… ip=dhcp"],
  ["NETDEVICES", "y", "the menu of network devices"],
  ["NET_CORE", "y", "the part of it that VIRTIO_NET stands in"],
  ["VIRTIO_NET", "y", "QEMU's fast network card"],
  ["HW_RANDOM", "y", "the menu of entropy sources"],
  ["HW_RANDOM_VIRTIO", "y", "QEMU's virtio-rng"],
  ["RTC_CLASS", "y", "the menu of clocks; it sets the system's time at boot"],
  ["RTC_DRV_CMOS", "y", "the PC's clock: hwclock, and true file times"],

  // Defaults taken back: they cost compiling, bytes or messages, and nothing here needs them
  ["X86_KERNEL_IBT", "n", "marks every function's start for processors that check indirect jumps"],
  ["X86_VSYSCALL_EMULATION", "n", "for programs from before 2013"],
  ["X86_INTEL_MEMORY_PROTECTION_KEYS", "n", "no program here uses them"],
  ["CPU_FREQ", "n", "a guest has no clock rate to set"],
  ["CPU_IDLE", "n", "a guest halts, and that is all"],
  ["CPU_ISOLATION", "n", "real-time systems only"],
  ["SCHED_MC", "n", "weighs caches that a guest can't see"],
  ["SCHED_CLUSTER", "n", "weighs caches that a guest can't see"],
  ["PERF_EVENTS_INTEL_UNCORE", "n", "counters of real machines"],
  ["PERF_EVENTS_INTEL_RAPL", "n", "counters of real machines"],
  ["PERF_EVENTS_INTEL_CSTATE", "n", "counters of real machines"],
  ["ACPI_PROCESSOR", "n", "power states; on q35 it prints a `Warning:` that is none"],
  ["ACPI_AC", "n", "laptops"],
  ["ACPI_BATTERY", "n", "laptops"],
  ["ACPI_FAN", "n", "real machines"],
  ["ACPI_THERMAL", "n", "real machines"],
  ["THERMAL", "n", "real machines"],
  ["X86_PKG_TEMP_THERMAL", "n", "real machines; it would bring THERMAL back"],
  ["ACPI_CONTAINER", "n", "hot-plugged nodes of large servers"],
  ["ACPI_PRMT", "n", "firmware handlers of real machines"],
  ["ACPI_SPCR_TABLE", "n", "a console chosen by firmware tables; ours stands on the command line"],
  ["ACPI_TABLE_UPGRADE", "n", "firmware tables replaced from the initramfs"],
  ["ACPI_DEBUG", "n", "on by itself in 7.x"],
  ["PNP_DEBUG_MESSAGES", "n", "noise"],
  ["PCIEASPM", "n", "link power states of real machines"],
  ["INTEL_MEI", "n", "real machines' management engine"],
  ["EFIVAR_FS", "n", "nothing reads or writes firmware variables"],
  ["EFI_HANDOVER_PROTOCOL", "n", "boot loaders before 2020; systemd-boot starts the stub as a program"],
  ["IPV6", "n", "a second network stack to compile; a fragment brings it back"],
  ["WIRELESS", "n", "no radio"],
  ["WLAN", "n", "no radio"],
  ["ETHERNET", "n", "drivers of real network cards; virtio-net is not among them"],
  ["ETHTOOL_NETLINK", "n", "30 files to compile, and BusyBox has no ethtool"],
  ["INET_DIAG", "n", "the ss program, which BusyBox lacks"],
  ["NETWORK_FILESYSTEMS", "n", "no NFS, no CIFS"],
  ["SWAP", "n", "no swap"],
  ["BLK_DEV_BSG", "n", "raw SCSI commands"],
  ["SCSI_LOWLEVEL", "n", "real machines' SCSI controllers"],
  ["SCSI_PROC_FS", "n", "obsolete"],
  ["SATA_PMP", "n", "several disks behind one SATA port"],
  ["MQ_IOSCHED_KYBER", "n", "a second disk scheduler"],
  ["HID", "n", "USB and Bluetooth input devices"],
  ["INPUT_MOUSE", "n", "nothing uses one, and it prints a line just as the prompt comes"],
  ["SERIO_SERPORT", "n", "mice on serial lines"],
  ["LEGACY_PTYS", "n", "256 device nodes nothing opens"],
  ["SERIAL_8250_PCI", "n", "serial cards"],
  ["SERIAL_8250_EXAR", "n", "serial cards"],
  ["SERIAL_8250_LPSS", "n", "serial ports of Intel's chipsets"],
  ["SERIAL_8250_MID", "n", "serial ports of Intel's chipsets"],
  ["SERIAL_8250_PERICOM", "n", "serial cards"],
  ["HW_RANDOM_INTEL", "n", "real machines"],
  ["HW_RANDOM_AMD", "n", "real machines"],
  ["HW_RANDOM_VIA", "n", "real machines"],
  ["RTC_NVMEM", "n", "the clock's spare bytes as a file"],
];

const minimalBusyBox: readonly ProfileSymbol[] = [
  ["STATIC", "y", "the initramfs holds no libraries"],
  ["TC", "n", "does not compile against kernel headers from 6.8 on"],
  ["MAN", "n", "there are no manual pages"],
  ["FEATURE_EDITING_ASK_TERMINAL", "n", "asks the terminal where its cursor is, and a gate does not answer"],

  // What /init and the probe rely on; all are defconfig's, asked for so that losing one is an error
  ["ASH", "y", "the shell"],
  ["SH_IS_ASH", "y", "… as /bin/sh"],
  ["ASH_JOB_CONTROL", "y", "Ctrl-C, Ctrl-Z, jobs"],
  ["FEATURE_EDITING_FANCY_PROMPT", "y", "the prompt `~ # ` that says where one is"],
  ["SETSID", "y", "gives a shell its terminal"],
  ["CTTYHACK", "y", "finds the console's terminal where /sys can't be asked"],
  ["ACPID", "y", "answers the power button"],
  ["POWEROFF", "y", "the end"],
  ["MDEV", "y", "fills /dev where the kernel has no devtmpfs"],
  ["FEATURE_IP_LINK", "y", "brings lo up"],
];

/** All profiles, by the name that the input `profile` takes. */
export const profiles: Readonly<Record<string, Profile>> = {
  minimal: {
    description:
      "tinyconfig with what BusyBox, both consoles, disk, network and every boot path need, and all that a gate must see",
    kernel: { base: "tinyconfig", symbols: minimalKernel },
    busybox: { base: "defconfig", symbols: minimalBusyBox },
  },
  tutorial: {
    description: "the seed tutorial to the letter: the kernel's defconfig, BusyBox's defconfig made static",
    kernel: { base: "defconfig", symbols: [] },
    busybox: {
      base: "defconfig",
      symbols: [
        ["STATIC", "y", "the initramfs holds no libraries"],
        ["MAN", "n", "no man pages"],
        ["TC", "n", "does not compile against kernel headers from 6.8 on"],
      ],
    },
  },
};
