import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** NFNL_MSG_BATCH_BEGIN and NFNL_MSG_BATCH_END (linux/netfilter/nfnetlink.h): the frame, the same for all commands. */
const FRAME = new Set([0x10, 0x11]);

/**
 * The netlink messages that the nft program sends for `command`, the batch's frame left out, sequence numbers set to
 * zero. It runs under strace in a network namespace of its own, in which `prelude` was loaded before. Needs root,
 * nft and strace.
 */
export function captureNft(command: string, prelude: string): Uint8Array[] {
  const folder = mkdtempSync(join(tmpdir(), 'nft-capture-'));
  try {
    const trace = join(folder, 'trace');
    const script =
      'printf %s "$1" | nft -f - && printf %s "$2" | strace -o "$3" -e trace=sendmsg --raw=sendmsg -e write=all nft -f -';
    const run = spawnSync('unshare', ['-n', 'sh', '-c', script, 'sh', prelude, `${command}\n`, trace]);
    if (run.status !== 0) throw new Error(`${command}: ${run.stderr?.toString() ?? run.error}`);
    return messagesOf(readFileSync(trace, 'utf8'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Takes the buffers of sendmsg calls out of strace's hex dump. */
function messagesOf(trace: string): Uint8Array[] {
  const bytes: number[] = [];
  let sending = false;
  for (const line of trace.split('\n')) {
    if (!line.startsWith(' ')) sending = line.startsWith('sendmsg(');
    const dump = /^ \| [0-9a-f]{5,} {2}([0-9a-f ]{48,49})/.exec(line);
    if (sending && dump?.[1] !== undefined) {
      for (const byte of dump[1].trim().split(/ +/)) bytes.push(Number.parseInt(byte, 16));
    }
  }
  const stream = Uint8Array.from(bytes);
  const view = new DataView(stream.buffer);
  const messages: Uint8Array[] = [];
  for (let at = 0; at < stream.length; ) {
    const length = view.getUint32(at, true);
    const message = stream.slice(at, at + length);
    message.fill(0, 8, 16);
    if (!FRAME.has(view.getUint16(at + 4, true))) messages.push(message);
    at += (length + 3) & ~3;
  }
  return messages;
}
