import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { main as status } from '../../commands/status.ts';
import type { TestDaemon } from '../../conformance/testing/daemon.ts';
import { freshNetns, nftJson, run, TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { addNodeAddresses, once, onceMeanwhile, StoreProxy } from './testing/program.ts';
import { until } from './testing/until.ts';

const available = freshNetns();
const directory = new TemporaryDirectory();
afterAll(() => directory[Symbol.dispose]());

const program = new StoreProxy(directory.path);
const { flags } = program;

function proxy(env: Readonly<Record<string, string>> = {}): TestDaemon {
  const daemon = program.daemon(env);
  onTestFinished(() => daemon.stop());
  return daemon;
}

const service = (name: string, clusterIP: string): void =>
  program.put('Service', name, name, {
    spec: { clusterIP, selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }] },
  });
const pod = (name: string, ip: string): void =>
  program.put('Pod', name, name, { status: { podIPs: [{ ip }] } });

const ask = async (address: string): Promise<string> => {
  try {
    return await (
      await fetch(`http://${address}/`, { signal: AbortSignal.timeout(2000), keepalive: false })
    ).text();
  } catch {
    return 'none';
  }
};
const answers = (address: string, expected: string): Promise<void> => {
  let last = '';
  let asking = false;
  return until(`${address} to answer "${expected}"`, () => {
    if (!asking && last !== expected) {
      asking = true;
      void ask(address).then((text) => {
        last = text;
        asking = false;
      });
    }
    return last === expected;
  });
};

const tables = (): string[] =>
  nftJson<{ nftables: { table?: { family: string; name: string } }[] }>('list', 'tables').nftables.flatMap(
    ({ table }) => (table ? [`${table.family} ${table.name}`] : []),
  );
/** Whatever is made anew has another handle. */
const handles = (): string =>
  run('nft', '-a', 'list', 'table', 'ip', 'underpod-proxy').replaceAll(/elements = \{[^}]*\}/g, '');

describe.skipIf(!available)('underpod proxy', () => {
  beforeAll(() => {
    addNodeAddresses('10.244.1.2', '10.244.1.3');
    for (const hostname of ['10.244.1.2', '10.244.1.3']) {
      const server = Bun.serve({ hostname, port: 8080, fetch: () => new Response(hostname) });
      afterAll(() => server.stop(true));
    }
    program.configure();
  });

  test('serves what the store says, through restarts and without a gap, until it is cleaned up', async () => {
    service('web', '10.96.0.10');
    pod('web', '10.244.1.2');
    const daemon = proxy();
    await daemon.start();
    await answers('10.96.0.10', '10.244.1.2');
    // A change, and its flows.
    pod('web', '10.244.1.3');
    await answers('10.96.0.10', '10.244.1.3');
    expect(await status([`--run-dir=${program.runDir}`])).toBe(0);
    expect(await status(['service/web', `--run-dir=${program.runDir}`])).toBe(0);
    expect(await status(['service/none', `--run-dir=${program.runDir}`])).toBe(1);
    // A second one would fight.
    expect(once(...flags)[1]).toMatch(/another proxy is running on this node/);
    expect(once('--cleanup', ...flags)[1]).toMatch(/stop it first/);
    await daemon.stop();
    expect(await ask('10.96.0.10')).toBe('10.244.1.3');
    const before = handles();
    service('new', '10.96.0.11');
    pod('new', '10.244.1.2');
    await daemon.start();
    await answers('10.96.0.11', '10.244.1.2');
    expect(handles()).toBe(before);
    await daemon.stop();
    run('nft', 'add', 'table', 'ip', 'somebody');
    expect(once('--cleanup', ...flags)[0]).toBe(0);
    expect(tables()).toEqual(['ip somebody']);
    expect(once('--cleanup', ...flags)[1]).toMatch(/nothing to remove/);
    const state = directory.join('state/proxy.json');
    writeFileSync(state, '{"version":1,"progr');
    const [code, text] = once('--cleanup', ...flags);
    expect([code, text]).toEqual([
      1,
      expect.stringMatching(/proxy\.json cannot be read.*run the proxy once/),
    ]);
    rmSync(state);
    run('nft', 'delete', 'table', 'ip', 'somebody');
  });

  test('follows its configuration, keeps to it where the new one is wrong, and repairs what others delete', async () => {
    service('web', '10.96.0.10');
    pod('web', '10.244.1.2');
    program.configure('nftables: {syncPeriod: 100ms, minSyncPeriod: 1ms}\n');
    const daemon = proxy();
    await daemon.start();
    const mark = async (): Promise<unknown> => {
      const answer = (await (await fetch('http://127.0.0.1:10249/configz')).json()) as Record<
        string,
        { nftables: { masqueradeBit: number } }
      >;
      return answer['kubeproxy.config.k8s.io']?.nftables.masqueradeBit;
    };
    program.configure('nftables: {syncPeriod: 100ms, minSyncPeriod: 1ms, masqueradeBit: 77}\n');
    await until('the complaint', () => readFileSync(program.log, 'utf8').includes('masqueradeBit is 77'));
    expect(await mark()).toBe(14);
    program.configure(
      'nftables: {syncPeriod: 100ms, minSyncPeriod: 1ms, masqueradeBit: 15}\nnobodyKnows: 1\n',
    );
    await until('the new mark', () =>
      run('nft', 'list', 'table', 'ip', 'underpod-proxy').includes('0x00008000'),
    );
    await until('its health', () => readFileSync(program.log, 'utf8').includes('nobodyKnows'));
    await answers('10.96.0.10', '10.244.1.2');
    run('nft', 'delete', 'table', 'ip', 'underpod-proxy');
    await answers('10.96.0.10', '10.244.1.2');
    program.configure('logging: {format: json}\n');
    await until('another log', () => readFileSync(program.log, 'utf8').includes('"starting"'));
    await daemon.stop();
    expect(once('--cleanup', ...flags)[0]).toBe(0);
  });

  test('keeps to its configuration where the mode of the new one cannot be had', async () => {
    service('web', '10.96.0.10');
    pod('web', '10.244.1.2');
    program.configure();
    // Without any program.
    const daemon = proxy({ PATH: directory.join('none') });
    await daemon.start();
    const logged = (): string => readFileSync(program.log, 'utf8');
    const before = logged().length;
    program.configure('mode: iptables\n');
    await until('the complaint', () => logged().slice(before).includes('mode iptables needs'));
    await until('its health', () => logged().slice(before).includes('proxy ready'));
    pod('web', '10.244.1.3');
    await answers('10.96.0.10', '10.244.1.3');
    expect(await (await fetch('http://127.0.0.1:10249/proxyMode')).text()).toBe('nftables');
    // Once, not again and again.
    expect(logged().slice(before).split('mode iptables needs')).toHaveLength(2);
    program.configure('nftables: {masqueradeBit: 15}\n');
    await until('the next one', () =>
      run('nft', 'list', 'table', 'ip', 'underpod-proxy').includes('0x00008000'),
    );
    await daemon.stop();
    expect(once('--cleanup', ...flags)[0]).toBe(0);
    program.configure();
  });

  test.each([
    ['nftables', 'iptables-nft'],
    ['iptables', 'iptables-legacy'],
  ])("mode %s: changes do not wait for the removal of kube-proxy's rules", async (mode, theirs) => {
    run('iptables-nft', '-t', 'mangle', '-N', 'KUBE-IPTABLES-HINT');
    onTestFinished(() => void run('iptables-nft', '-t', 'mangle', '-X'));
    program.configure(`mode: ${mode}\n`);
    service('web', '10.96.0.10');
    pod('web', '10.244.1.2');
    const programs = directory.join('programs');
    const asked = directory.join('asked');
    const held = directory.join('held');
    mkdirSync(programs);
    onTestFinished(() => rmSync(programs, { recursive: true }));
    rmSync(asked, { force: true });
    writeFileSync(held, '');
    const script = (name: string, text: string): void => {
      writeFileSync(`${programs}/${name}`, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    };
    script(`${theirs}-save`, `touch ${asked}; while [ -e ${held} ]; do sleep 0.05; done`);
    script(`${theirs}-restore`, 'true');
    const daemon = proxy({ PATH: `${programs}:${process.env['PATH']}` });
    await daemon.start();
    await until('the removal', () => existsSync(asked));
    pod('web', '10.244.1.3');
    await answers('10.96.0.10', '10.244.1.3');
    expect(existsSync(held)).toBe(true);
    rmSync(held);
    await daemon.stop();
    expect(once('--cleanup', ...flags)[0]).toBe(0);
  });

  test.each(['nft', 'legacy'])(
    'mode iptables (%s): what somebody flushes is there again, and counted',
    async (variant) => {
      const iptables = (...args: string[]): string => run(`iptables-${variant}`, ...args);
      // By it the kubelet tells which kind of tables a node uses.
      iptables('-t', 'mangle', '-N', 'KUBE-IPTABLES-HINT');
      onTestFinished(() => void iptables('-t', 'mangle', '-X'));
      service('web', '10.96.0.10');
      pod('web', '10.244.1.2');
      program.configure('mode: iptables\n');
      const daemon = proxy();
      await daemon.start();
      await answers('10.96.0.10', '10.244.1.2');
      const number = async (name: string): Promise<number> => {
        const text = await (await fetch('http://127.0.0.1:10249/metrics')).text();
        return Number(
          text
            .split('\n')
            .find((line) => line.startsWith(`${name} `))
            ?.slice(name.length),
        );
      };
      expect(await number('underpod_proxy_repairs_total')).toBe(0);
      const before = iptables('-t', 'nat', '-S');
      iptables('-F');
      iptables('-t', 'nat', '-F');
      await until('it is as it was', () => iptables('-t', 'nat', '-S') === before);
      await answers('10.96.0.10', '10.244.1.2');
      expect(await number('underpod_proxy_repairs_total')).toBeGreaterThan(0);
      expect(await number('kubeproxy_sync_proxy_rules_iptables_total{table="nat",ip_family="IPv4"}')).toBe(
        before.split('\n').filter((line) => line.startsWith('-A KUBE-')).length,
      );
      await daemon.stop();
      expect(once('--cleanup', ...flags)[0]).toBe(0);
      expect(iptables('-t', 'nat', '-S')).not.toContain('KUBE-');
    },
  );

  test('--cleanup leaves what a kube-proxy has taken over, in a mode whose names are the same', async () => {
    service('web', '10.96.0.10');
    pod('web', '10.244.1.2');
    program.configure('mode: iptables\n');
    const daemon = proxy();
    await daemon.start();
    await answers('10.96.0.10', '10.244.1.2');
    await daemon.stop();
    const before = run('iptables-nft', '-t', 'nat', '-S');
    {
      // All that is asked of a kube-proxy.
      using server = Bun.serve({
        port: 10_249,
        hostname: '127.0.0.1',
        fetch: () => new Response('iptables'),
      });
      expect(server.port).toBe(10_249);
      const [code, text] = await onceMeanwhile('--cleanup', ...flags);
      expect(text).toMatch(/a kube-proxy is at work/);
      expect(code).toBe(0);
    }
    expect(run('iptables-nft', '-t', 'nat', '-S')).toBe(before);
    expect(once('--cleanup', ...flags)[1]).toMatch(/nothing to remove/);
    // As the kube-proxy would when it is removed.
    run('iptables-nft', '-t', 'nat', '-F');
    run('iptables-nft', '-t', 'nat', '-X');
    run('iptables-nft', '-F');
    run('iptables-nft', '-X');
    program.configure();
  });

  test('writes its configuration with all defaults', () => {
    const path = directory.join('written.conf');
    expect(once(...flags, `--write-config-to=${path}`)).toEqual([0, '']);
    expect(readFileSync(path, 'utf8')).toContain('healthzBindAddress: "0.0.0.0:10256"'.replaceAll('"', ''));
  });
});

test.each<[string, string[], RegExp]>([
  ['an unknown flag', ['--proxy-mod=nftables'], /did you mean --proxy-mode/],
  ['a mode that there is none of', ['--proxy-mode=ebpf'], /mode is "ebpf"; write/],
  ['a missing file', ['--config=/nonexistent'], /cannot read the configuration \/nonexistent/],
  ['more', ['surplus'], /unexpected argument "surplus"/],
])('asked for %s it ends with 2 and says what to do', (_, args, message) => {
  const [code, text] = once(...args);
  expect(code).toBe(2);
  expect(text).toMatch(message);
});
