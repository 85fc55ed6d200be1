import { describe, expect, test } from 'vitest';
import { elementsOf } from '../../../shared/nftables/codec/element-block.ts';
import { NftError } from '../../../shared/nftables/error.ts';
import { FakeNftables } from '../../../shared/nftables/fake.ts';
import type { Operation, Transaction } from '../../../shared/nftables/transaction.ts';
import { FakeTime } from '../testing/fake-time.ts';
import { address, Ports, port, settings } from '../testing/ports.ts';
import { frontendKey, packed } from './keys.ts';
import { layoutOf } from './layout.ts';
import { LINGER, NftablesMode } from './nftables-mode.ts';

/** A packet filter that does not take some elements, nor more than some number of them at once. */
class Picky extends FakeNftables {
  bad = new Set<string>();
  most = Number.POSITIVE_INFINITY;
  /** What the next transactions are answered, one each. */
  readonly errors: string[] = [];
  transactions = 0;

  override run(transaction: Transaction): void {
    if (transaction.isEmpty) return;
    this.transactions += 1;
    const error = this.errors.shift();
    if (error !== undefined)
      throw new NftError('commit a transaction', error, { operation: transaction.operations[0] });
    const count = transaction.operations.reduce((sum, operation) => sum + keysOf(operation).length, 0);
    if (count > this.most) throw new NftError(`send a transaction of ${count} elements`, 'EMSGSIZE');
    for (const operation of transaction.operations) {
      if (keysOf(operation).some((key) => this.bad.has(key)))
        throw new NftError('add elements', 'ENOSPC', { operation });
    }
    super.run(transaction);
  }
}

function keysOf(operation: Operation): string[] {
  if (operation.verb !== 'add' || !('object' in operation)) return [];
  const { object } = operation;
  if (object.kind === 'block') return elementsOf(object).map(({ key }) => packed(key));
  return object.kind === 'elements' ? object.elements.map(({ key }) => packed(key)) : [];
}

const layout = layoutOf(4);
const service = (number: number, endpoint = 1) =>
  port({
    name: `default/s${number}`,
    frontends: [`cluster-ip 10.96.0.${number}:80`],
    endpoints: [`10.244.1.${endpoint}:80`, `10.244.2.${endpoint}:80`],
  });
const many = () => Array.from({ length: 200 }, (_, at) => service(at + 1));
const keyOf = (number: number): string => frontendKey(address(`10.96.0.${number}`), 6, 80);

describe('what the kernel does not take', () => {
  test('is left out, named, and tried again', async () => {
    const nft = new Picky();
    const mode = new NftablesMode(settings(4), nft, new FakeTime());
    const ports = new Ports(...many());
    nft.bad = new Set([keyOf(7), keyOf(150)]);
    const report = await mode.replace(ports);
    expect(report.refused.map(({ name }) => name).sort()).toEqual(['default/s150', 'default/s7']);
    expect(report.refused[0]?.why).toContain('ENOSPC');
    expect(nft.listElements(layout.sets.frontends)).toHaveLength(198);
    expect(nft.listElements(layout.sets.slots)).toHaveLength(400);

    // Others go on as if nothing were.
    ports.set(service(9, 3));
    nft.transactions = 0;
    expect((await mode.update(ports, new Set(['default/s9']))).refused).toHaveLength(2);
    expect(nft.transactions).toBeLessThan(10);

    nft.bad = new Set([keyOf(150)]);
    ports.set(service(10, 3));
    expect((await mode.update(ports, new Set(['default/s10']))).refused).toHaveLength(1);
    nft.bad = new Set();
    expect(await mode.update(ports, new Set())).toMatchObject({ refused: [] });
    expect(nft.listElements(layout.sets.frontends)).toHaveLength(200);
    expect(await mode.verify(ports)).toEqual({ changes: 0, refused: [], repairs: 0 });
  });

  test('may be changed and go before it was ever taken', async () => {
    const nft = new Picky();
    const time = new FakeTime();
    const mode = new NftablesMode(settings(4), nft, time);
    const ports = new Ports(...many());
    nft.bad = new Set([keyOf(7)]);
    await mode.replace(ports);
    ports.delete('default/s7');
    expect(await mode.update(ports, new Set(['default/s7']))).toMatchObject({ refused: [] });
    await time.advance(3 * LINGER);
    expect(await mode.verify(ports)).toEqual({ changes: 0, refused: [], repairs: 0 });
  });

  test('comes in smaller pieces where the whole is too large', async () => {
    const nft = new Picky();
    nft.most = 50;
    const mode = new NftablesMode(settings(4), nft, new FakeTime());
    const ports = new Ports(...many());
    expect(await mode.replace(ports)).toMatchObject({ refused: [] });
    expect(nft.listElements(layout.sets.frontends)).toHaveLength(200);
  });

  test.each(['EBUSY', 'ENOBUFS', 'ENOENT', 'EEXIST'])(
    'for once (%s) has the table read back, and all is well',
    async (error) => {
      const nft = new Picky();
      const time = new FakeTime();
      const mode = new NftablesMode(settings(4), nft, time);
      const ports = new Ports(...many());
      await mode.replace(ports);
      nft.errors.push(error);
      ports.set(service(9, 3));
      expect(await mode.update(ports, new Set(['default/s9']))).toMatchObject({ refused: [] });
      ports.delete('default/s10');
      await mode.update(ports, new Set(['default/s10']));
      nft.errors.push(error);
      await time.advance(5 * LINGER);
      expect(nft.listElements(layout.sets.slots)).toHaveLength(398);
      expect(await mode.verify(ports)).toEqual({ changes: 0, refused: [], repairs: 0 });
    },
  );

  test('for want of rights is an error of the whole', async () => {
    const nft = new Picky();
    const mode = new NftablesMode(settings(4), nft, new FakeTime());
    nft.run = () => {
      throw new NftError('commit a transaction', 'EPERM');
    };
    await expect(mode.replace(new Ports(service(1)))).rejects.toThrow('EPERM');
    // Once it has them it begins anew.
    nft.run = FakeNftables.prototype.run;
    expect(await mode.update(new Ports(service(1)), new Set())).toMatchObject({ refused: [] });
    expect(nft.listElements(layout.sets.slots)).toHaveLength(2);
    nft.run = () => {
      throw new NftError('commit a transaction', 'EPERM');
    };
    await expect(mode.update(new Ports(service(2)), new Set(['default/s2']))).rejects.toThrow('EPERM');
    nft.run = FakeNftables.prototype.run;
    expect(await mode.update(new Ports(service(2)), new Set())).toMatchObject({ refused: [] });
    expect(nft.listElements(layout.sets.frontends)).toHaveLength(1);
  });
});
