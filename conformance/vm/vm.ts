/** Runs a command under Debian's kernel in QEMU, without KVM: for outcomes, never for times. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { VM_MARK } from '../testing/slowness.ts';
import { buildInitramfs } from './initramfs.ts';
import { debianKernel, type KernelVersion } from './kernel.ts';

export interface VmRun {
  /** Run by /bin/sh, in this working directory of the host. */
  readonly script: string;
  readonly timeoutMs: number;
  /** Lines of the command, as they come. */
  readonly onOutput: (text: string) => void;
  /** 2048 unless given. All that the guest writes is in memory too. */
  readonly memoryMb?: number;
  /** Debian 12's 6.1 unless given. */
  readonly kernel?: KernelVersion;
}

export interface VmOutcome {
  /** `undefined`: the time was over, or the guest died; `console` tells more. */
  readonly code: number | undefined;
  /** What the kernel said. */
  readonly console: string;
  readonly release: string;
}

/** The script that takes over from the initramfs. It never returns: the last line turns the machine off. */
const START = (release: string, modules: string, checkout: string): string => `
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
mount -t tmpfs run /run
# The checkout may lie in /tmp.
mkdir -p /run/checkout
mount --bind ${checkout} /run/checkout
mount -t tmpfs -o mode=1777 tmp /tmp
mkdir -p ${checkout}
mount --bind /run/checkout ${checkout}
mkdir -p /dev/pts /dev/shm /lib/modules/${release}
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup /sys/fs/cgroup
mount --bind ${modules} /lib/modules/${release}
hostname vm
# Its device is made by udev elsewhere; everything else is loaded when somebody asks for it.
modprobe tun
ip link set lo up
# Bytes as they are: a terminal sends a carriage return before each newline.
exec 3>/dev/ttyS1
stty -F /dev/ttyS1 -opost
# Through a pipe, so that programs do not take the serial line for a terminal.
mkfifo /run/output
cat /run/output >&3 &
exec 3>&-
( cd ${checkout}; exec /bin/sh /vm/command ) </dev/null >/run/output 2>&1
echo $? >/vm/exit.part
wait
mv /vm/exit.part /vm/exit
sync
echo o >/proc/sysrq-trigger
sleep 60
`;

/** @throws Error when the parts of a VM are missing; what goes wrong inside it is in the outcome */
export async function runInVm(run: VmRun): Promise<VmOutcome> {
  const qemu = Bun.which('qemu-system-x86_64');
  if (qemu === null) throw new Error('qemu-system-x86_64 is missing: make test-vm installs it');
  const kernel = debianKernel(run.kernel ?? '6.1');
  mkdirSync('build/vm', { recursive: true });
  const scratch = resolve(mkdtempSync('build/vm/run-'));
  try {
    const shared = `${scratch}/shared`;
    mkdirSync(shared);
    writeFileSync(
      `${shared}/start`,
      START(kernel.release, shellQuote(kernel.modules), shellQuote(process.cwd())),
    );
    writeFileSync(`${shared}/command`, run.script);
    const consoleLog = `${scratch}/console.log`;
    const machine = Bun.spawn(
      [
        ...[
          qemu,
          '-nodefaults',
          '-no-reboot',
          '-display',
          'none',
          '-machine',
          'q35',
          '-cpu',
          'max',
          '-smp',
          '2',
        ],
        ...['-accel', 'tcg,thread=multi', '-m', String(run.memoryMb ?? 2048)],
        ...['-kernel', kernel.image, '-initrd', buildInitramfs(kernel, scratch)],
        ...['-append', `console=ttyS0 panic=-1 oops=panic quiet mitigations=off ${VM_MARK}`],
        ...['-serial', `file:${consoleLog}`, '-serial', 'stdio'],
        ...['-virtfs', 'local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap'],
        ...['-virtfs', `local,path=${shared},mount_tag=vm,security_model=none`],
      ],
      { stdin: 'ignore', stdout: 'pipe', stderr: 'inherit' },
    );
    const deadline = setTimeout(() => machine.kill('SIGKILL'), run.timeoutMs);
    try {
      const decoder = new TextDecoder();
      for await (const bytes of machine.stdout) {
        run.onOutput(decoder.decode(bytes, { stream: true }));
      }
      await machine.exited;
    } finally {
      clearTimeout(deadline);
      machine.kill('SIGKILL');
    }
    return {
      code: existsSync(`${shared}/exit`) ? Number(readFileSync(`${shared}/exit`, 'utf8')) : undefined,
      console: existsSync(consoleLog) ? readFileSync(consoleLog, 'utf8') : '',
      release: kernel.release,
    };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function shellQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
