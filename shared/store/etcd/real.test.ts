/** Faults, certificates and users of a real etcd. */

import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { etcdProgram } from '../../../conformance/etcd/program.ts';
import { Etcd } from '../../../conformance/etcd/server.ts';
import { freshNetns, TemporaryDirectory } from '../../../conformance/testing/netns.ts';
import { parseNetConf } from '../../config/net-conf.ts';
import { isDeadlineExceeded, isUnavailable } from '../../grpc/error.ts';
import { isLeaseLost, isTooOld } from '../errors.ts';
import { cidr, LeaseWatcher, sampleNode, show } from '../registry-samples.ts';
import { EtcdClient, type EtcdClientOptions } from './client.ts';
import { EtcdRegistry, type EtcdRegistryOptions } from './registry.ts';

// Fetched where it is missing, before the test leaves the network of the machine.
const fetched = etcdProgram();
const program = freshNetns() ? fetched : undefined;
const prefix = '/coreos.com/network';
const networks = parseNetConf('{"Network":"10.244.0.0/16"}');
/** Leases may be a second short, and pings frequent. */
const QUICK = ['--heartbeat-interval=10', '--election-timeout=100', '--grpc-keepalive-min-time=50ms'];
const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function start(more: { tls?: boolean } = {}): Promise<{ etcd: Etcd; directory: TemporaryDirectory }> {
  const directory = new TemporaryDirectory();
  undo.push(() => directory[Symbol.dispose]());
  const etcd = await Etcd.start({ program: program ?? '', directory: directory.path, flags: QUICK, ...more });
  undo.push(() => etcd[Symbol.asyncDispose]());
  return { etcd, directory };
}

function clientOf(etcd: Etcd, more: Partial<EtcdClientOptions> = {}): EtcdClient {
  const client = new EtcdClient({ endpoints: [etcd.endpoint], ...more });
  undo.push(() => client[Symbol.dispose]());
  return client;
}

function open(etcd: Etcd, more: Partial<EtcdRegistryOptions> = {}): EtcdRegistry {
  return new EtcdRegistry({ client: clientOf(etcd), prefix, networks, random: () => 0, ...more });
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 10_000; !(await condition()); ) {
    if (Date.now() > deadline) throw new Error('it never came true');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** As proc(5) has them: `T` for a stopped one. */
function threadStates(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).map(
    (thread) => /\) (.)/.exec(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'))?.[1] ?? '',
  );
}

const failure = (error: unknown): unknown => error;

describe.skipIf(!program)('a real etcd', () => {
  test('holds what flanneld would have written, under a lease of a day', async () => {
    const { etcd } = await start();
    await open(etcd).acquire(sampleNode('a', 1, { instance: 'one' }));
    const [record] = await etcd.list(prefix);
    expect(record).toMatchObject({
      key: '/coreos.com/network/subnets/10.244.1.0-24',
      value:
        '{"PublicIP":"192.0.2.1","PublicIPv6":"2001:db8::1","BackendType":"vxlan",' +
        '"BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:01"},"BackendV6Data":{"VNI":1,"VtepMAC":"x"}}',
    });
    expect((await etcd.lease(record?.lease ?? '')).granted).toBe(86_400);
  });

  test('is killed and comes back in the middle of a watch: what happened meanwhile is told', async () => {
    const { etcd } = await start();
    const registry = open(etcd);
    await registry.acquire(sampleNode('a', 1));
    await using watcher = new LeaseWatcher(open(etcd), (await open(etcd).list()).version);
    const next = watcher.texts();
    await etcd.daemon.kill();
    await etcd.daemon.start();
    await etcd.put(`${prefix}/subnets/10.244.8.0-24`, '{"PublicIP":"192.0.2.8","BackendType":"x"}');
    expect(await next).toEqual(['set 10.244.8.0-24 10.244.8.0/24']);
    expect(show(await registry.renew(sampleNode('a', 1)))).toBe('a 10.244.1.0/24');
  });

  test('hangs without closing its connections: the watch notices, and so does a call', async () => {
    const { etcd } = await start();
    const client = clientOf(etcd, { timeoutMs: 500, keepaliveMs: 300, keepaliveTimeoutMs: 300 });
    const registry = open(etcd, { client });
    await using watcher = new LeaseWatcher(registry, (await registry.list()).version);
    const next = watcher.next().catch(failure);
    process.kill(etcd.daemon.pid ?? 0, 'SIGSTOP');
    // Its threads stop one by one, and one that still runs answers.
    await until(async () => threadStates(etcd.daemon.pid ?? 0).every((state) => state === 'T'));
    const before = performance.now();
    const call = await registry.list().catch(failure);
    expect(isDeadlineExceeded(call) || isUnavailable(call)).toBe(true);
    expect(isUnavailable(await next)).toBe(true);
    // Tries go on for three seconds, and the last one takes its time; nothing but pings tells that nobody answers.
    expect(performance.now() - before).toBeLessThan(10_000);
    process.kill(etcd.daemon.pid ?? 0, 'SIGCONT');
    await until(async () => (await registry.list().catch(() => undefined)) !== undefined);
  });

  test('ends a lease that was not renewed in time: it is lost, and taken again with its subnet', async () => {
    const { etcd } = await start();
    const registry = open(etcd, { leaseDurationMs: 1000 });
    const node = sampleNode('a', 1, { instance: 'one' });
    await registry.acquire(node, { subnet: cidr('10.244.9.0/24') });
    await using watcher = new LeaseWatcher(open(etcd), (await open(etcd).list()).version);
    expect(await watcher.texts()).toEqual(['removed 10.244.9.0-24 deleted']);
    expect(isLeaseLost(await registry.renew(node).catch(failure))).toBe(true);
    const again = await registry.acquire(node, { subnet: cidr('10.244.9.0/24') });
    expect(show(again)).toBe('a 10.244.9.0/24');
    expect((await registry.renew(node)).expiresAt).toBeGreaterThan(Date.now());
  });

  test('has forgotten what a watch wants to know', async () => {
    const { etcd } = await start();
    const { version } = await open(etcd).list();
    for (const n of [1, 2, 3]) await open(etcd).acquire(sampleNode(`n${n}`, n));
    const { leases, version: now } = await open(etcd).list();
    await clientOf(etcd).compact(BigInt(now.split('.')[0] ?? 0));
    await using watcher = new LeaseWatcher(open(etcd), version);
    expect(isTooOld(await watcher.next().catch(failure))).toBe(true);
    expect(leases).toHaveLength(3);
  });

  test('was restored from an older state: the watch does not wait for revisions to come', async () => {
    const { etcd } = await start();
    const registry = open(etcd);
    await registry.acquire(sampleNode('a', 1));
    const { version } = await registry.list();
    const [revision, cluster] = version.split('.');
    await using watcher = new LeaseWatcher(registry, `${Number(revision) + 1000}.${cluster}`);
    expect(isTooOld(await watcher.next().catch(failure))).toBe(true);
  });

  test('tells of a change within milliseconds', async () => {
    const { etcd } = await start();
    const registry = open(etcd);
    await using watcher = new LeaseWatcher(open(etcd), (await open(etcd).list()).version);
    const lags: number[] = [];
    for (let n = 1; n <= 20; n++) {
      const next = watcher.next().then(() => performance.now());
      await registry.acquire(sampleNode('a', n % 9, { instance: 'one' }));
      lags.push((await next) - performance.now());
    }
    // Of the call that made it, most of the time before that has returned.
    expect(lags.sort((a, b) => a - b)[10]).toBeLessThan(5);
  });

  test('wants certificates; files that change are read again', async () => {
    const { etcd, directory } = await start({ tls: true });
    const { certFile = '', keyFile = '' } = etcd.client ?? {};
    const [cert, key] = [directory.join('cert'), directory.join('key')];
    writeFileSync(cert, 'none');
    writeFileSync(key, 'none');
    const tls = { caFile: etcd.authority?.certFile ?? '', certFile: cert, keyFile: key };
    const registry = open(etcd, { client: clientOf(etcd, { tls }) });
    await expect(registry.list()).rejects.toThrow(/certificates cannot be used/);
    copyFileSync(certFile, cert);
    copyFileSync(keyFile, key);
    await until(async () => (await registry.list().catch(() => undefined)) !== undefined);
    // Exchanged one after the other, by one that is not to be trusted: it does not fit the key, and the old one serves on.
    writeFileSync(cert, 'half');
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect((await registry.list()).leases).toEqual([]);
    const stranger = clientOf(etcd, { tls: { caFile: tls.caFile }, timeoutMs: 500 });
    await expect(open(etcd, { client: stranger }).list()).rejects.toThrow(/UNAVAILABLE|DEADLINE/);
    const distrustful = clientOf(etcd, { tls: { certFile, keyFile }, timeoutMs: 500 });
    await expect(open(etcd, { client: distrustful }).list()).rejects.toThrow(/UNAVAILABLE|DEADLINE/);
  });

  test('wants a user; its tokens do not outlive it', async () => {
    const { etcd } = await start();
    await etcd.call('auth/user/add', { name: 'root', password: 'secret' });
    await etcd.call('auth/role/add', { name: 'root' });
    await etcd.call('auth/user/grant', { user: 'root', role: 'root' });
    await etcd.call('auth/enable', {});
    await expect(open(etcd).list()).rejects.toThrow(/user name is empty|permission denied/);
    const wrong = clientOf(etcd, { username: 'root', password: 'x' });
    await expect(open(etcd, { client: wrong }).list()).rejects.toThrow(/authentication failed/);
    const registry = open(etcd, { client: clientOf(etcd, { username: 'root', password: 'secret' }) });
    await registry.acquire(sampleNode('a', 1, { instance: 'one' }));
    await using watcher = new LeaseWatcher(registry, (await registry.list()).version);
    const next = watcher.texts();
    await etcd.daemon.kill();
    // What waits for it to answer has no user.
    void etcd.daemon.start().catch(() => {});
    await until(
      async () =>
        (await registry.renew(sampleNode('a', 1, { instance: 'one' })).catch(() => undefined)) !== undefined,
    );
    expect(await next).toEqual(['set a 10.244.1.0/24']);
  });
});
