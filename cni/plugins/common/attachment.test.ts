import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AttachmentKey } from './attachment.ts';
import {
  attachmentAlias,
  attachmentHash,
  attachmentMac,
  hostVethName,
  isAttachmentAlias,
  networkAliasPrefix,
  readAlias,
} from './attachment.ts';

const name = fc.stringMatching(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,300}$/);
const ifname = fc.stringMatching(/^[a-z][a-z0-9@éü]{0,6}$/);
const key: fc.Arbitrary<AttachmentKey> = fc.record({ network: name, containerId: name, ifname });
const pod: AttachmentKey = { network: 'cbr0', containerId: 'c'.repeat(64), ifname: 'eth0' };

describe('names of an attachment', () => {
  test('the host veth is named like upstream’s: veth and eight hex digits', () => {
    expect(hostVethName(pod)).toMatch(/^veth[0-9a-f]{8}$/);
    expect(hostVethName(pod)).toBe(`veth${attachmentHash(pod).slice(0, 8)}`);
  });

  test('every attempt gives another name, the same one each time', () => {
    const names = [0, 1, 2, 3].map((attempt) => hostVethName(pod, attempt));
    expect(new Set(names).size).toBe(4);
    expect(names).toEqual([0, 1, 2, 3].map((attempt) => hostVethName({ ...pod }, attempt)));
  });

  test('parts do not run into each other', () => {
    const one = attachmentHash({ network: 'a', containerId: 'bc', ifname: 'd' });
    const other = attachmentHash({ network: 'ab', containerId: 'c', ifname: 'd' });
    expect(one).not.toBe(other);
  });
});

describe('the MAC addresses', () => {
  test('are unicast, locally administered, and not those of the other end or another pod', () => {
    fc.assert(
      fc.property(key, (one) => {
        const macs = [
          attachmentMac(one, 'host'),
          attachmentMac(one, 'pod'),
          attachmentMac({ ...one, ifname: 'x' }, 'pod'),
        ];
        for (const mac of macs) expect([mac.length, (mac[0] ?? 0) & 3]).toEqual([6, 2]);
        if (one.ifname !== 'x') expect(new Set(macs.map((mac) => mac.toHex())).size).toBe(3);
        expect(attachmentMac(one, 'pod')).toEqual(macs[1]);
      }),
    );
  });
});

describe('the alias', () => {
  test('says network, container and interface', () => {
    expect(attachmentAlias(pod)).toBe(`underpod:cbr0/${'c'.repeat(64)}/eth0`);
  });

  test('fits the kernel and leads back to its owner, whatever the names', () => {
    fc.assert(
      fc.property(key, (attachment) => {
        const alias = attachmentAlias(attachment);
        expect(Buffer.byteLength(alias)).toBeLessThanOrEqual(255);
        expect(isAttachmentAlias(alias)).toBe(true);
        const owner = readAlias(attachment.network, alias);
        if (owner?.kind === 'hashed') expect(owner.hash).toBe(attachmentHash(attachment));
        else
          expect(owner).toEqual({
            kind: 'plain',
            containerId: attachment.containerId,
            ifname: attachment.ifname,
          });
      }),
    );
  });

  test('belongs to one network only', () => {
    fc.assert(
      fc.property(key, name, (attachment, other) => {
        fc.pre(other !== attachment.network);
        expect(readAlias(other, attachmentAlias(attachment))).toBeUndefined();
      }),
    );
  });

  test('long names are hashed, and stay apart', () => {
    const long: AttachmentKey = { network: 'n'.repeat(200), containerId: 'c'.repeat(200), ifname: 'eth0' };
    expect(attachmentAlias(long)).toMatch(/^underpod:#[0-9a-f]{64}\/#[0-9a-f]{64}$/);
    expect(networkAliasPrefix('n'.repeat(200))).not.toBe(networkAliasPrefix('n'.repeat(201)));
  });

  test.each([
    undefined,
    '',
    'cbr0',
    'underpod:',
    'underpod:cbr0/',
    'underpod:cbr0/x',
    'underpod:cbr01/x/eth0',
  ])('%j is none of cbr0', (alias) => {
    expect(readAlias('cbr0', alias)).toBeUndefined();
  });
});
