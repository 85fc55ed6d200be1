/**
 * A bad line between two network namespaces, where the kernel has no netem: each has a TAP device eth0, and what the one sends
 * comes to the other late, or not at all. Usage: relay.ts NETNS NETNS
 *
 * Prints `ready` when both devices are there. Takes JSON on stdin whenever the line is to change, and prints `changed` when it
 * has. Ends with stdin.
 */
import type { Fd } from '../../shared/sys/fd.ts';
import { openNetns } from '../../shared/sys/netns.ts';
import { waitAnyReadable } from '../../shared/sys/socket.ts';
import { syscall, trySyscall } from '../../shared/sys/syscall.ts';
import { Tap } from '../../shared/sys/tap.ts';

/** How the line is. */
export interface Line {
  /** How long a frame takes, in ms. */
  readonly delay: number;
  /** Which share of the frames is lost, 0 to 1: 1 is a cut. */
  readonly loss: number;
}

interface Frame {
  readonly due: number;
  readonly to: Fd;
  readonly bytes: Uint8Array;
}

/** More than the MTU of a TAP device with its Ethernet header. */
const FRAME_SIZE = 2048;

const STDIN = 0 as Fd;

function relay(taps: readonly [Tap, Tap]): void {
  const [a, b] = taps;
  const buffer = new Uint8Array(FRAME_SIZE);
  const underWay: Frame[] = [];
  let line: Line = { delay: 0, loss: 0 };
  let lost = 0;
  process.stdout.write('ready\n');
  for (;;) {
    const wait = underWay[0] === undefined ? -1 : Math.max(0, underWay[0].due - performance.now());
    const from = waitAnyReadable([STDIN, a.fd, b.fd], wait);
    while (underWay[0] !== undefined && underWay[0].due <= performance.now()) {
      const { to, bytes } = underWay.shift() as Frame;
      // A device that is down takes none, as a cable that is out.
      trySyscall('write', to, bytes, bytes.length);
    }
    if (from === undefined) continue;
    if (from === STDIN) {
      const length = syscall('read', 'stdin', STDIN, buffer, buffer.length);
      if (length === 0) return;
      const [latest = ''] = new TextDecoder().decode(buffer.subarray(0, length)).trim().split('\n').slice(-1);
      line = JSON.parse(latest) as Line;
      process.stdout.write('changed\n');
      continue;
    }
    const length = trySyscall('read', from, buffer, buffer.length);
    if (length <= 0) continue;
    // Evenly spread, so that each run loses the same.
    lost += line.loss;
    if (lost >= 1) {
      lost -= 1;
      continue;
    }
    const to = from === a.fd ? b.fd : a.fd;
    underWay.push({ due: performance.now() + line.delay, to, bytes: buffer.slice(0, length) });
  }
}

const [, , one = '', other = ''] = process.argv;
const tap = (netns: string): Tap => {
  using namespace = openNetns(`/run/netns/${netns}`);
  return Tap.create(namespace, { name: 'eth0', multiQueue: false, owner: undefined, group: undefined });
};
relay([tap(one), tap(other)]);
process.exit(0);
