import { describe, expect, test } from 'vitest';
import { HEADER_SIZE, type NlMessage } from '../netlink/codec/message.ts';
import { ByteWriter } from '../netlink/codec/wire.ts';
import { NetlinkError } from '../netlink/error.ts';
import type { Answer, NetlinkSocket } from '../netlink/socket.ts';
import { errnoNumber, SyscallError } from '../sys/errno.ts';
import { writeElements } from './codec/elements.ts';
import { KernelNftables } from './kernel.ts';
import { ipv4Addr } from './model/data-type.ts';
import type { NftSet } from './model/set.ts';
import { Transaction } from './transaction.ts';

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

describe('a listing that the kernel refuses', () => {
  /** A kernel that answers dumps with `listing`, and the question for the generation with `generation`. */
  function refusing(listing: string, generation: string): KernelNftables {
    const refuse = (code: string) => (): never => {
      throw new NetlinkError('ask', { errno: errnoNumber(code) });
    };
    const socket = { dump: refuse(listing), request: refuse(generation) };
    return new KernelNftables(socket as unknown as NetlinkSocket);
  }

  test.each(['EINVAL', 'EOPNOTSUPP'])('is empty where there is no nf_tables at all (%s)', (code) => {
    const nft = refusing(code, code);
    expect(nft.listElements(set)).toEqual([]);
    expect(nft.listRuleLabels({ family: 'ip', name: 't' })).toEqual([]);
    expect(nft.listRules({ family: 'ip', name: 't' })).toEqual([]);
  });

  test.each([
    ['EINVAL', 'EPERM'],
    ['EPERM', 'EPERM'],
    ['EPERM', 'EINVAL'],
  ])('is an error else (%s, %s)', (listing, generation) => {
    expect(() => refusing(listing, generation).listElements(set)).toThrow(listing);
  });
});

describe('a transaction', () => {
  const tables = new Transaction()
    .add({ kind: 'table', family: 'ip', name: 'a' })
    .add({ kind: 'table', family: 'ip', name: 'b' });
  const silence: Answer = { acknowledgement: undefined, replies: [], interrupted: false, cutOff: false };
  const answer = (errno: number, message?: string): Answer => ({
    ...silence,
    acknowledgement: { errno, unknown: [], ...(message === undefined ? {} : { message }) },
  });
  const answered = (exchange: () => Answer[]): KernelNftables =>
    new KernelNftables({ takeSequence: () => 1, exchange } as unknown as NetlinkSocket);

  test('is done when its last step is acknowledged', () => {
    answered(() => [silence, silence, answer(0), silence]).run(tables);
  });

  test('names the step that was refused, and what the kernel said', () => {
    const nft = answered(() => [silence, silence, answer(17, 'no way'), silence]);
    expect(() => nft.run(tables)).toThrow('add table ip b: EEXIST (no way)');
  });

  test('that is refused as a whole names none', () => {
    const nft = answered(() => [answer(1), silence, silence, silence]);
    expect(() => nft.run(tables)).toThrow('commit a transaction: EPERM');
  });

  test('without any answer is not taken for done', () => {
    expect(() => answered(() => [silence, silence, silence, silence]).run(tables)).toThrow('EIO');
  });

  test('too long for the socket says what to raise', () => {
    const nft = answered(() => {
      throw new SyscallError('sendto', 90);
    });
    expect(() => nft.run(tables)).toThrow('net.core.wmem_max');
  });
});
