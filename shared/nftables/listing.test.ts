import { describe, expect, test } from 'vitest';
import { HEADER_SIZE, type NlMessage } from '../netlink/codec/message.ts';
import { ByteWriter } from '../netlink/codec/wire.ts';
import type { NetlinkSocket } from '../netlink/socket.ts';
import { writeElements } from './codec/elements.ts';
import { KernelNftables } from './kernel.ts';
import { ipv4Addr } from './model/data-type.ts';
import type { NftSet } from './model/set.ts';

const set: NftSet = { kind: 'set', family: 'ip', table: 't', name: 's', key: [ipv4Addr] };

/** A message of a list with these keys. */
function listed(...keys: number[]): NlMessage {
  const writer = new ByteWriter();
  writeElements(
    writer,
    set,
    keys.map((key) => ({ key: Uint8Array.of(10, 0, 0, key) })),
    12,
    0,
    () => 0,
  );
  return { type: 0, flags: 0, seq: 0, pid: 0, payload: writer.toBytes().slice(HEADER_SIZE) };
}

/** A packet filter whose kernel gives these lists, one after the other. */
function scripted(...lists: NlMessage[][]): KernelNftables {
  const dump = (): NlMessage[] => lists.shift() ?? [];
  return new KernelNftables({ dump } as unknown as NetlinkSocket);
}

describe('a list of elements', () => {
  test('is read again when an element comes twice: another is missing then', () => {
    const nft = scripted([listed(1, 2), listed(2)], [listed(1, 2), listed(3)]);
    expect(nft.listElements(set).map(({ key }) => key[3])).toEqual([1, 2, 3]);
  });

  test('is given up when that does not end', () => {
    const nft = scripted(...Array.from({ length: 20 }, () => [listed(1, 1)]));
    expect(() => nft.listElements(set)).toThrow('EINTR');
  });

  test('of ranges has both ends of neighbours at the same key', () => {
    const ranges: NftSet = { ...set, interval: true };
    expect(scripted([listed(1, 1)]).listElements(ranges)).toHaveLength(2);
  });
});
