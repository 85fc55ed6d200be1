/** The VM's first file system: busybox, the modules that reach the host's root, and a script that goes there. */
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { type Kernel, withDependencies } from './kernel.ts';

/** What the guest needs before it has the host's root, from which everything else is loaded. */
const BOOT_MODULES = ['virtio_pci', '9pnet_virtio', '9p', 'overlay'];

/**
 * The host's root, read-only, is the lower layer of an overlay whose upper layer is memory: programs see the host's
 * files at the host's paths and may change anything, and nothing of it remains. `/vm` is the only directory they share
 * with the host; the command's exit code is left there.
 */
const INIT = `#!/bin/busybox sh
set -e
/bin/busybox mkdir -p /proc /sys /dev /lower /memory /root
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
# Otherwise, once a tunnel's module is loaded, every new namespace begins with a link that most machines do not have (tunl0).
echo 1 >/proc/sys/net/core/fb_tunnels_only_for_init_net
while read -r module; do /bin/busybox insmod "/modules/$module"; done </modules/order
/bin/busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro host /lower
/bin/busybox mount -t tmpfs -o size=80% memory /memory
/bin/busybox mkdir /memory/upper /memory/work
/bin/busybox mount -t overlay -o lowerdir=/lower,upperdir=/memory/upper,workdir=/memory/work root /root
/bin/busybox mkdir -p /root/vm
/bin/busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 vm /root/vm
for fs in proc sys dev; do /bin/busybox mount --move /$fs /root/$fs; done
exec /bin/busybox switch_root /root /bin/sh /vm/start
`;

/** Writes the archive and returns its path. @throws Error when cpio fails */
export function buildInitramfs(kernel: Kernel, directory: string): string {
  const staging = `${directory}/initramfs`;
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(`${staging}/bin`, { recursive: true });
  mkdirSync(`${staging}/modules`);
  const busybox = Bun.which('busybox');
  if (busybox === null) throw new Error('busybox is missing: make test-vm installs it (busybox-static)');
  copyFileSync(busybox, `${staging}/bin/busybox`);
  const order = withDependencies(kernel, BOOT_MODULES);
  for (const path of order) copyFileSync(`${kernel.modules}/${path}`, `${staging}/modules/${basename(path)}`);
  writeFileSync(`${staging}/modules/order`, order.map((path) => `${basename(path)}\n`).join(''));
  writeFileSync(`${staging}/init`, INIT, { mode: 0o755 });
  const archive = `${directory}/initramfs.cpio`;
  const packed = Bun.spawnSync(['/bin/sh', '-c', 'find . | cpio --quiet -o -H newc'], { cwd: staging });
  if (packed.exitCode !== 0) throw new Error(`cpio: ${packed.stderr}`);
  writeFileSync(archive, packed.stdout);
  return archive;
}
