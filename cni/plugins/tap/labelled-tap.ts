/**
 * A TAP device with a label of SELinux, which a device has of the process that makes it. A process gets another label
 * when it executes a program, and of its own accord only where the policy lets it. So `ip` makes the device, as upstream has it:
 * nsenter enters the container's namespace as what we are, a shell asks for the label of what it executes next.
 */

import { findProgram, runProgram } from '../../../shared/sys/run-program.ts';
import type { TapSpec } from '../../../shared/sys/tap.ts';
import { invalidConfig } from '../../protocol/error.ts';
import { heldLocks } from '../common/attachment-lock.ts';
import type { Place } from '../common/device/place.ts';
import { existsAlready } from '../common/host-veth.ts';
import { readLink } from '../common/links.ts';

/** Where the programs are, whatever PATH the runtime gave us. */
const directories = ['/usr/sbin', '/sbin', '/usr/bin', '/bin'];

/** `$1` is the label: see proc(5), /proc/[pid]/attr/exec. */
const script = 'printf %s "$1" >/proc/self/attr/exec && shift && exec "$@"';

/** The arguments that make `ip` make it. Pure. */
export function tuntapArguments({ name, multiQueue, owner, group }: TapSpec): string[] {
  return [
    ...['tuntap', 'add', 'mode', 'tap', 'name', name],
    ...(multiQueue ? ['multi_queue'] : []),
    ...(owner === undefined ? [] : ['user', String(owner)]),
    ...(group === undefined ? [] : ['group', String(group)]),
  ];
}

/** @throws CniError code 7 where a program is missing, or SELinux refuses the label or is not there */
export async function makeLabelledTap(
  { key, netns, pod }: Place,
  spec: TapSpec,
  label: string,
): Promise<void> {
  if (readLink(pod, { name: spec.name })) throw existsAlready(key, 'in its namespace');
  const [nsenter, shell, ip] = ['nsenter', 'sh', 'ip'].map(find);
  const { exitCode, stderr } = await runProgram({
    what: 'ip tuntap',
    file: nsenter ?? '',
    // The descriptor is closed when it executes; by this process's own number it is opened again.
    args: [
      `--net=/proc/${process.pid}/fd/${netns.fd}`,
      ...[shell ?? '', '-c', script, 'sh', label, ip ?? '', ...tuntapArguments(spec)],
    ],
    variables: {},
    stdin: new Uint8Array(),
    inherited: heldLocks(),
  });
  if (exitCode === 0) return;
  throw invalidConfig(`no TAP device can be made with the SELinux context ${JSON.stringify(label)}`, {
    details: `is SELinux on, and lets its policy "ip" run as that? ${stderr.trim().slice(-500)}`,
  });
}

function find(program: string): string {
  const file = findProgram(program, directories);
  if (file !== undefined) return file;
  throw invalidConfig(`"selinuxcontext" needs the program ${program}, which the node does not have`);
}
