/** An address that goes from one attachment to another at the very moment when the first one's rules are removed. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Ip } from '../../../shared/ip/ip.ts';
import { parseIp } from '../../../shared/ip/ip.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import { lockDirectory, removeStaleLocks } from '../common/attachment-lock.ts';
import { attachmentCommentPrefix } from '../common/masquerade-rules.ts';
import { deleteRules } from '../common/remove-rules.ts';
import { list, run, TestNode } from '../testing/node.ts';
import { addByNftables, elementsRemoval } from './nft-backend.ts';
import { podSets } from './nft-rules.ts';
import { lockAddresses, noteAccepted, readAccepted, recordDirectory } from './record.ts';
import { removeAccepted } from './remove-accepted.ts';

const node = TestNode.enter() as TestNode;
afterEach(() => node?.reset());

const address = parseIp('10.1.0.5') as Ip;
const key = (containerId: string): AttachmentKey => ({ network: 'net', containerId, ifname: 'eth0' });
const stale = { address, key: key('stale'), backend: 'iptables', zone: 'trusted' } as const;

/** A program that holds the address's lock as an ADD does, and notes another attachment after a while. */
const adding = `
  const { lockAddresses, noteAccepted } = await import(${JSON.stringify(resolve(import.meta.dirname, 'record.ts'))});
  const accepted = JSON.parse(process.argv[1], (name, value) => (name === 'value' ? BigInt(value) : value));
  const lock = lockAddresses([accepted.address]);
  console.log('held');
  await Bun.sleep(300);
  noteAccepted(accepted);
  lock[Symbol.dispose]();`;

describe.skipIf(!node)('an address that is another attachment’s by now', () => {
  test('keeps its note and rules, when its ADD began before the removal', async () => {
    noteAccepted(stale);
    const next = { ...stale, key: key('next') };
    const text = JSON.stringify(next, (_name, value) => (typeof value === 'bigint' ? String(value) : value));
    const child = spawn(process.execPath, ['-e', adding, text], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    await once(child.stdout, 'data');
    await removeAccepted([stale]);
    expect(await ended).toEqual([0, null]);
    expect(readAccepted(address)?.key).toEqual(key('next'));
    expect(list(recordDirectory)).toEqual(['10.1.0.5']);
  });

  test('is locked once, whoever names it twice, and the lock leaves nothing', () => {
    {
      using _locks = lockAddresses([address, parseIp('fd00::5') as Ip, address]);
      expect(list(lockDirectory)).toEqual(['address-10.1.0.5.lock', 'address-fd00::5.lock']);
      removeStaleLocks();
      expect(list(lockDirectory)).toHaveLength(2);
    }
    expect(list(lockDirectory)).toEqual([]);
    // Of a call that was killed.
    writeFileSync(`${lockDirectory}/address-10.1.0.5.lock`, '');
    removeStaleLocks();
    expect(list(lockDirectory)).toEqual([]);
  });

  test('keeps its element, when it came between look and removal', async () => {
    const wanted = { addresses: [address], adminChain: 'CNI-ADMIN', isolation: undefined };
    await addByNftables(key('stale'), wanted);
    const removal = elementsRemoval(key('stale'));
    let looks = 0;
    {
      using nft = KernelNftables.open();
      deleteRules(nft, [
        {
          ...removal,
          append(transaction, within) {
            removal.append(transaction, within);
            if (looks++ > 0) return;
            const [family, table] = [podSets[4].family, podSets[4].table];
            const comment = `${attachmentCommentPrefix(key('next'))}, next`;
            const set = `${family} ${table} ${podSets[4].name}`;
            run(
              'nft',
              `delete element ${set} { 10.1.0.5 }; add element ${set} { 10.1.0.5 comment "${comment}" }`,
            );
          },
        },
      ]);
    }
    expect(looks).toBe(2);
    expect(run('nft', 'list', 'set', 'inet', podSets[4].table, podSets[4].name)).toContain(
      attachmentCommentPrefix(key('next')),
    );
  });
});
