import { afterAll, describe, expect, test } from 'vitest';
import { freshNetns, ipJson } from '../../conformance/testing/netns.ts';
import type { Ip } from '../ip/ip.ts';
import { decodeAddress } from './codec/address.ts';
import { IFF } from './codec/link.ts';
import { NETLINK, NLM_F } from './codec/message.ts';
import { RTNH_F } from './codec/route.ts';
import { isNetlinkError } from './error.ts';
import type { NetlinkRequest } from './request.ts';
import {
  delLink,
  delNeighbour,
  delRoute,
  delRule,
  dumpAddresses,
  dumpRoutes,
  getLink,
  newAddress,
  newLink,
  newRoute,
  newRule,
  replaceFdb,
  replaceNeighbour,
  replaceRoute,
} from './requests.ts';
import { Rtnetlink } from './rtnetlink.ts';
import { NetlinkSocket } from './socket.ts';
import { cidr, ip, mac } from './testing/golden.ts';
import { openTransport, type Transport } from './transport.ts';

/* The socket against the kernel: many requests in one send, reasons of refusals, lost answers, interrupted dumps. */

const available = freshNetns();

/** A transport that calls `before` ahead of each receive and claims that its buffers are as large as one likes. */
class Meddling implements Transport {
  readonly #inner: Transport = openTransport(NETLINK.ROUTE);
  receives = 0;
  sends = 0;
  before: (receives: number) => void = () => {};

  get portId(): number {
    return this.#inner.portId;
  }
  send(bytes: Uint8Array): void {
    this.sends++;
    this.#inner.send(bytes);
  }
  receive(buffer: Uint8Array, waitMs: number): number {
    this.before(this.receives++);
    return this.#inner.receive(buffer, waitMs);
  }
  reserve(send: number, receive: number): { send: number; receive: number } {
    return { send, receive };
  }
  [Symbol.dispose](): void {
    this.#inner[Symbol.dispose]();
  }
}

function rules(from: number, to: number): NetlinkRequest[] {
  return Array.from({ length: to - from }, (_, i) => newRule({ family: 4, priority: from + i, table: 100 }));
}

describe.skipIf(!available)('a netlink socket', () => {
  const rt = available ? Rtnetlink.open() : (undefined as unknown as Rtnetlink);
  afterAll(() => rt[Symbol.dispose]());

  test('carries out 150 requests of one send and tells which of them failed', () => {
    rt.socket.requestAll(rules(1000, 1010));
    const outcomes = rt.socket.transact([
      ...rules(990, 1100),
      ...rules(990, 1000),
      delRule({ family: 4, priority: 9 }),
    ]);
    const failed = outcomes.flatMap(({ error }, i) => (error === undefined ? [] : [`${i} ${error.code}`]));
    const expected = [
      ...Array.from({ length: 10 }, (_, i) => `${10 + i} EEXIST`),
      ...Array.from({ length: 10 }, (_, i) => `${110 + i} EEXIST`),
      '120 ENOENT',
    ];
    expect(failed).toEqual(expected);
    expect(outcomes[10]?.error?.message).toBe('add IPv4 rule 1000: already exists (EEXIST)');
    const told = ipJson<{ priority: number }[]>('rule', 'show').map((rule) => rule.priority);
    expect(told).toEqual([0, ...Array.from({ length: 110 }, (_, i) => 990 + i), 32_766, 32_767]);
    rt.socket.requestAll(Array.from({ length: 110 }, (_, i) => delRule({ family: 4, priority: 990 + i })));
    expect(rt.rules(4)).toHaveLength(3);
  });

  test('gives the reason of a refusal in the words of the kernel, and where in the request it lies', () => {
    const wrong = newRoute({ destination: cidr('10.3.0.1/16'), oif: 1 });
    expect(() => rt.socket.request(wrong)).toThrow(/Invalid prefix for given prefix length/);

    // IFLA_MTU of two bytes, after the netlink header and struct ifinfomsg.
    const unknown = [{ type: 4, nested: false, payload: new Uint8Array(2) }];
    const [outcome] = rt.socket.transact([newLink({ unknown })]);
    expect(outcome?.error).toMatchObject({ code: 'ERANGE', offset: 32 });
    expect(outcome?.error?.kernelMessage).toContain('policy validation');
  });

  test('refuses filters that it would otherwise ignore (NETLINK_GET_STRICT_CHK)', () => {
    const payload = dumpRoutes({ family: 4 }).payload.slice();
    payload[3] = 4;
    const byTos = { ...dumpRoutes({ family: 4 }), payload };
    expect(() => rt.socket.dump(byTos)).toThrow(/EINVAL/);
  });

  test('tells each failure of a send whose answers it had room for', () => {
    const count = 5000;
    const outcomes = rt.socket.transact(
      Array.from({ length: count }, () => delRoute({ destination: cidr('10.77.0.0/16') })),
    );
    expect(outcomes).toHaveLength(count);
    expect(outcomes.filter((outcome) => outcome.error?.code === 'ESRCH')).toHaveLength(count);
  });

  test('says which outcomes are unknown when the receive buffer overflowed, and works on', () => {
    using meddling = new Meddling();
    const socket = new NetlinkSocket(meddling);
    // 3,000 answers of 768 bytes against a buffer of 212,992.
    const outcomes = socket.transact(
      Array.from({ length: 3000 }, () => delRoute({ destination: cidr('10.77.0.0/16') })),
    );
    const codes = outcomes.map((outcome) => outcome.error?.code);
    expect(codes[0]).toBe('ESRCH');
    expect(codes.filter((code) => code === 'ESRCH').length).toBeGreaterThan(50);
    expect(codes.filter((code) => code === 'ENOBUFS').length).toBeGreaterThan(50);
    expect(codes).not.toContain(undefined);
    expect(socket.request(getLink({ name: 'lo' }))).toHaveLength(1);
    expect(socket.transact([delRoute({ destination: cidr('10.77.0.0/16') })])[0]?.error?.code).toBe('ESRCH');
  });

  test('reads a dump again that a new address interrupted', () => {
    rt.socket.request(newLink({ name: 'many', kind: { kind: 'bridge' } }));
    const index = rt.linkByName('many')!.index;
    const address = (i: number): NetlinkRequest =>
      newAddress({
        index,
        address: { ip: { family: 4, value: ip('10.20.0.1').value + BigInt(i) }, prefix: 32 },
      });
    // 76 bytes each: enough for more than one datagram of 32 KiB.
    rt.socket.requestAll(Array.from({ length: 600 }, (_, i) => address(i)));
    using meddling = new Meddling();
    const socket = new NetlinkSocket(meddling);
    meddling.before = (receives) => {
      if (receives === 1) rt.socket.request(address(600));
    };
    const dump = socket.dump(dumpAddresses({ family: 4 }));
    expect(dump.filter((message) => decodeAddress(message.payload).index === index)).toHaveLength(601);
    expect(meddling.sends).toBe(2);
    rt.socket.request(delLink({ index }));
  });

  test('a batch is one datagram whose messages keep their flags', () => {
    const [first, second, third] = rt.socket.batch([
      { ...rules(500, 501)[0]!, flags: NLM_F.CREATE | NLM_F.EXCL | NLM_F.ACK },
      rules(501, 502)[0]!,
      rules(501, 502)[0]!,
    ]);
    expect(first?.acknowledgement?.errno).toBe(0);
    expect(second?.acknowledgement).toBeUndefined();
    expect(third?.acknowledgement?.errno).toBe(17);
    rt.socket.requestAll([delRule({ family: 4, priority: 500 }), delRule({ family: 4, priority: 501 })]);
  });

  test('programs 1,000 peers: 3,000 messages, counted back', () => {
    rt.socket.requestAll([
      newLink({ name: 'under', flags: IFF.UP, kind: { kind: 'bridge' } }),
      newLink({
        name: 'flannel.1',
        flags: IFF.UP,
        mac: mac('0a:00:00:00:00:01'),
        kind: { kind: 'vxlan', id: 1, local: ip('10.1.0.1'), port: 8472, learning: false },
      }),
      newAddress({ index: rt.linkByName('lo')!.index, address: cidr('10.1.0.1/32') }),
    ]);
    const index = rt.linkByName('flannel.1')!.index;
    const peers = Array.from({ length: 1000 }, (_, i) => ({
      subnet: { family: 4, value: ip('10.64.0.0').value + BigInt(i << 8) } satisfies Ip,
      public: { family: 4, value: ip('10.1.0.0').value + BigInt(i) } satisfies Ip,
      mac: new Uint8Array([10, 0, 0, 1, i >> 8, i]),
    }));
    const started = performance.now();
    const outcomes = rt.socket.transact(
      peers.flatMap((peer) => [
        replaceNeighbour({ index, ip: peer.subnet, mac: peer.mac }),
        replaceFdb({ index, mac: peer.mac, destination: peer.public }),
        replaceRoute({
          destination: { ip: peer.subnet, prefix: 24 },
          gateway: peer.subnet,
          oif: index,
          flags: RTNH_F.ONLINK,
        }),
      ]),
    );
    const took = performance.now() - started;
    console.info(`1,000 peers, 3,000 messages, encoding included: ${took.toFixed(1)} ms`);
    expect(outcomes.find((outcome) => outcome.error !== undefined)).toBeUndefined();
    expect(rt.neighbours(4, { index })).toHaveLength(1000);
    expect(rt.fdb({ index })).toHaveLength(1000);
    expect(rt.routes({ family: 4, oif: index })).toHaveLength(1000);
    rt.socket.requestAll(peers.map((peer) => delNeighbour({ index, ip: peer.subnet })));
    expect(rt.neighbours(4, { index })).toEqual([]);
  });

  test('a protocol that does not exist is an error of the open', () => {
    expect(() => NetlinkSocket.open(31)).toThrow(/EPROTONOSUPPORT/);
    let thrown: unknown;
    try {
      rt.socket.request(delLink({ name: 'nothing' }));
    } catch (error) {
      thrown = error;
    }
    expect(isNetlinkError(thrown, 'ENODEV')).toBe(true);
  });
});
