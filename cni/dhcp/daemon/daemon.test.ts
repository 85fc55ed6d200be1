import { describe, expect, test } from 'vitest';
import { silentLogger } from '../../../shared/log/logger.ts';
import type { DhcpRequest, DhcpTarget } from '../../protocol/dhcp-daemon.ts';
import { isCniError } from '../../protocol/error.ts';
import type { JsonObject } from '../../protocol/json.ts';
import { byteOption } from '../codec/options.ts';
import { FakeClock, settle } from '../testing/fake-clock.ts';
import { FakePod } from '../testing/fake-pod.ts';
import { FakeServer } from '../testing/fake-server.ts';
import type { Manners } from './daemon.ts';
import { Daemon } from './daemon.ts';
import type { LeaseRecord } from './record.ts';
import { decodeRecord, encodeRecord } from './record.ts';

const manners: Manners = {
  timeout: 10_000,
  resendMax: 62_000,
  resendTimeout: 208_000,
  broadcast: false,
  hostPrefix: '',
};

/** A node with one pod, a DHCP server, and a disk. */
class World {
  readonly clock = new FakeClock();
  readonly server = new FakeServer();
  pod = new FakePod(this.server);
  bootId = 'boot';
  /** Files of the disk: what was written is read again, by text. */
  readonly files = new Map<string, string>();
  diskIsFull = false;
  daemon: Daemon = this.boot();

  /** A new daemon over the same disk. */
  boot(): Daemon {
    this.daemon = new Daemon({
      clock: this.clock,
      bootId: this.bootId,
      random: () => 0.5,
      log: silentLogger,
      manners,
      store: {
        read: () =>
          [...this.files].map(([name, text]) => ({
            name,
            record: decodeRecord(new TextEncoder().encode(text)),
          })),
        write: (name: string, record: LeaseRecord) => {
          if (this.diskIsFull) throw new Error('no space');
          this.files.set(name, encodeRecord(record));
        },
        remove: (name: string) => void this.files.delete(name),
      },
      findPod: () => this.pod,
      knownPod: () => this.pod,
    });
    this.daemon.takeOver();
    return this.daemon;
  }

  ask(request: DhcpRequest, signal: AbortSignal = new AbortController().signal): Promise<JsonObject> {
    return this.daemon.handle(request, signal);
  }

  /** As ADD does, with the address given to the interface. */
  async add(target: DhcpTarget = pod1): Promise<string> {
    const { result } = await this.ask({ op: 'allocate', ...target });
    const [ip] = (result as { ips: { address: string }[] }).ips;
    this.pod.addresses.add(ip!.address);
    return ip!.address;
  }
}

const pod1: DhcpTarget = {
  network: 'net',
  containerId: 'c1',
  ifname: 'eth0',
  netns: '/run/netns/c1',
  provide: [{ code: 12, hex: '706f64' }],
  request: [3, 1],
  priority: 0,
};

async function failure(promise: Promise<unknown>): Promise<{ code: number; message: string }> {
  try {
    await promise;
  } catch (error) {
    if (isCniError(error)) return error;
    throw error;
  }
  throw new Error('it succeeded');
}

describe('allocate', () => {
  test('answers with address, gateway and routes, and writes the lease down first', async () => {
    const world = new World();
    const answer = await world.ask({ op: 'allocate', ...pod1, priority: 50 });
    expect(answer).toEqual({
      result: {
        cniVersion: '1.1.0',
        ips: [{ address: '10.9.0.10/24', gateway: '10.9.0.1' }],
        routes: [{ dst: '0.0.0.0/0', gw: '10.9.0.1', priority: 50 }],
      },
    });
    expect(world.files.size).toBe(1);
    expect(world.pod.wires).toBe(0);
    expect(world.server.clients).toEqual([Buffer.from('\0c1/net/eth0').toString('hex')]);
  });

  test('of the same pod again is the same lease, of a new one a new one', async () => {
    const world = new World();
    await world.add();
    await world.add();
    expect(world.server.seen).toEqual(['discover', 'request']);
    world.pod = new FakePod(world.server, 3);
    await world.add();
    expect(world.server.seen).toHaveLength(4);
    expect(world.daemon.size).toBe(1);
  });

  test('ends with advice where no server answers in time, and leaves nothing', async () => {
    const world = new World();
    world.server.silent = true;
    const answer = failure(world.ask({ op: 'allocate', ...pod1 }));
    await world.clock.advance(208_000);
    expect(await answer).toMatchObject({ code: 11, message: expect.stringContaining('within 208 s') });
    expect([world.daemon.size, world.files.size, world.pod.wires, world.clock.pending]).toEqual([0, 0, 0, 0]);
  });

  test('ends when the plugin does, and leaves nothing', async () => {
    const world = new World();
    world.server.silent = true;
    const plugin = new AbortController();
    const answer = failure(world.ask({ op: 'allocate', ...pod1 }, plugin.signal));
    await settle();
    plugin.abort();
    expect(await answer).toMatchObject({ code: 11 });
    expect([world.daemon.size, world.pod.wires, world.clock.pending]).toEqual([0, 0, 0]);
  });

  test('without a subnet mask gives the address back', async () => {
    const world = new World();
    world.server.extra = [];
    expect(await failure(world.ask({ op: 'allocate', ...pod1 }))).toMatchObject({ code: 7 });
    expect(world.server.seen).toEqual(['discover', 'request', 'release']);
    expect([world.daemon.size, world.files.size]).toEqual([0, 0]);
  });

  test('that cannot be written down gives the address back', async () => {
    const world = new World();
    world.diskIsFull = true;
    await expect(world.ask({ op: 'allocate', ...pod1 })).rejects.toThrow('no space');
    expect(world.server.clients).toEqual([]);
    expect(world.daemon.size).toBe(0);
  });

  test('is cut short by the release of the same attachment', async () => {
    const world = new World();
    world.server.silent = true;
    const answer = failure(world.ask({ op: 'allocate', ...pod1 }));
    await settle();
    await world.ask({ op: 'release', ...pod1 });
    expect(await answer).toMatchObject({ code: 11 });
    expect(world.daemon.size).toBe(0);
  });
});

describe('a lease that is kept', () => {
  test('is renewed by unicast, for ever', async () => {
    const world = new World();
    await world.add();
    await world.clock.advance(10_000_000);
    expect(world.server.seen.length).toBeGreaterThan(15);
    expect(new Set(world.pod.ways.slice(2))).toEqual(new Set(['server']));
    expect(world.pod.addresses).toEqual(new Set(['10.9.0.10/24']));
    expect(world.pod.wires).toBe(0);
  });

  test('that expires is taken from the pod, and given back when a server is there again', async () => {
    const world = new World();
    await world.add();
    world.server.silent = true;
    await world.clock.advance(1_000_000);
    expect(world.pod.addresses.size).toBe(0);
    expect(await failure(world.ask({ op: 'check', ...pod1, address: '10.9.0.10' }))).toMatchObject({
      code: 100,
    });
    // The namespace is not held while nothing is to be heard.
    await world.clock.advance(100_000);
    await world.clock.advance(20_000);
    expect(world.pod.wires).toBe(0);
    world.boot();
    world.server.silent = false;
    await world.clock.advance(62_000);
    expect(world.pod.addresses).toEqual(new Set(['10.9.0.10/24']));
    await world.ask({ op: 'check', ...pod1, address: '10.9.0.10' });
  });

  test('ends with its pod', async () => {
    const world = new World();
    await world.add();
    world.pod.gone = true;
    await world.clock.advance(1_000_000);
    expect([world.daemon.size, world.files.size, world.clock.pending]).toEqual([0, 0, 0]);
    expect(world.server.seen).toEqual(['discover', 'request']);
  });

  test('is given back on release, which can be repeated', async () => {
    const world = new World();
    await world.add();
    await world.ask({ op: 'release', ...pod1 });
    await world.ask({ op: 'release', ...pod1 });
    expect(world.server.seen).toEqual(['discover', 'request', 'release']);
    expect(world.pod.ways.at(-1)).toBe('parting');
    expect([world.daemon.size, world.files.size, world.clock.pending]).toEqual([0, 0, 0]);
  });

  test('that this release cannot read is off the disk with its release', async () => {
    const world = new World();
    await world.add();
    world.daemon.stop();
    const [[name, text] = ['', '']] = world.files;
    world.files.clear();
    world.boot();
    world.files.set(name, text.slice(0, 40));
    await world.ask({ op: 'release', ...pod1 });
    expect(world.files.size).toBe(0);
  });

  test('of a pod that is gone is released without a word', async () => {
    const world = new World();
    await world.add();
    world.pod.gone = true;
    await world.ask({ op: 'release', ...pod1 });
    expect([world.daemon.size, world.files.size]).toEqual([0, 0]);
  });

  test('is listed by network', async () => {
    const world = new World();
    await world.add();
    expect(await world.ask({ op: 'list', network: 'net' })).toEqual({
      attachments: [{ containerId: 'c1', ifname: 'eth0' }],
    });
    expect(await world.ask({ op: 'list', network: 'other' })).toEqual({ attachments: [] });
    expect(await world.ask({ op: 'status' })).toEqual({ leases: 1 });
  });

  test('is checked against the address that ADD got', async () => {
    const world = new World();
    await world.add();
    await world.ask({ op: 'check', ...pod1, address: undefined });
    expect(await failure(world.ask({ op: 'check', ...pod1, address: '10.9.0.11' }))).toMatchObject({
      code: 100,
      message: 'the lease is for 10.9.0.10, not for 10.9.0.11',
    });
  });
});

describe('the next daemon', () => {
  test('goes on with the lease, without asking anybody before it is time', async () => {
    const world = new World();
    await world.add();
    world.daemon.stop();
    expect(world.clock.pending).toBe(0);
    world.boot();
    await world.ask({ op: 'check', ...pod1, address: '10.9.0.10' });
    expect(world.server.seen).toHaveLength(2);
    await world.clock.advance(600_000);
    expect(world.server.seen).toEqual(['discover', 'request', 'request']);
    expect(world.pod.addresses.size).toBe(1);
    // With what the first one was asked to send.
    expect(world.server.messages.at(-1)?.options).toContainEqual(byteOption(12, 0x70, 0x6f, 0x64));
  });

  test('asks for an address whose lease ended meanwhile, and the pod keeps it', async () => {
    const world = new World();
    await world.add();
    world.daemon.stop();
    await world.clock.advance(5_000_000);
    world.boot();
    await settle();
    expect(world.server.seen).toEqual(['discover', 'request', 'request']);
    expect(world.pod.addresses.size).toBe(1);
    await world.ask({ op: 'check', ...pod1, address: '10.9.0.10' });
  });

  test('takes it away where the server has given it to another', async () => {
    const world = new World();
    await world.add();
    world.daemon.stop();
    await world.clock.advance(5_000_000);
    world.server.forget();
    world.server.silent = true;
    world.boot();
    await world.clock.advance(10_000);
    expect(world.pod.addresses.size).toBe(0);
  });

  test('forgets pods that are gone, and those of another boot', async () => {
    const world = new World();
    await world.add();
    world.daemon.stop();
    world.bootId = 'next boot';
    expect([world.boot().size, world.files.size]).toEqual([0, 0]);
    const other = new World();
    await other.add();
    other.daemon.stop();
    other.pod.gone = true;
    expect([other.boot().size, other.files.size]).toEqual([0, 0]);
  });

  test('starts all the same where a pod cannot be looked at, and goes on with its lease', async () => {
    const world = new World();
    await world.add();
    world.daemon.stop();
    const { pod } = world;
    world.pod = Object.assign(new FakePod(world.server), {
      requirePresent(): void {
        throw new Error('EMFILE');
      },
    });
    expect([world.boot().size, world.files.size]).toEqual([1, 1]);
    world.pod = pod;
    await world.ask({ op: 'release', ...pod1 });
    expect(world.files.size).toBe(0);
  });

  test('ends a plugin that waits when it is stopped', async () => {
    const world = new World();
    world.server.silent = true;
    const answer = failure(world.ask({ op: 'allocate', ...pod1 }));
    await settle();
    world.daemon.stop();
    expect(await answer).toMatchObject({ code: 11 });
  });
});

describe('an address whose lease nobody keeps', () => {
  test('is taken over by check, if the server agrees', async () => {
    const world = new World();
    await world.add();
    world.daemon.stop();
    world.files.clear();
    world.boot();
    await world.ask({ op: 'check', ...pod1, address: '10.9.0.10' });
    expect(world.server.seen).toEqual(['discover', 'request', 'request']);
    expect([world.daemon.size, world.files.size]).toEqual([1, 1]);
  });

  test('fails where it does not, and stays with the pod', async () => {
    const world = new World();
    world.pod.addresses.add('10.9.0.44/24');
    expect(await failure(world.ask({ op: 'check', ...pod1, address: '10.9.0.44' }))).toMatchObject({
      code: 100,
    });
    expect([world.daemon.size, world.pod.addresses.size, world.pod.wires]).toEqual([0, 1, 0]);
    expect(await failure(world.ask({ op: 'check', ...pod1, address: undefined }))).toMatchObject({
      code: 100,
    });
  });
});
