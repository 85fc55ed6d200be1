import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lockAttachment } from '../common/attachment-lock.ts';
import type { Container, Json } from '../testing/node.ts';
import { goPlugins, list, run, TestNode } from '../testing/node.ts';
import { recordDirectory } from './record.ts';

const node = TestNode.enter() as TestNode;
const go = goPlugins();
const path = process.env['PATH'] ?? '';

const families = ['iptables', 'ip6tables'] as const;

/** A pod's addresses, as a bridge plugin would have given them. */
function firewall(pod: Container, host: number, more: Json = {}): Json {
  return {
    cniVersion: '1.0.0',
    name: 'net',
    type: 'firewall',
    prevResult: {
      cniVersion: '1.0.0',
      interfaces: [{ name: 'br0' }, { name: 'veth0' }, { name: 'eth0', sandbox: pod.netns }],
      ips: [
        { address: `10.1.0.${host}/24`, interface: 2 },
        { address: `fd00:1::${host}/64`, interface: 2 },
      ],
    },
    ...more,
  };
}

/** The filter tables of both families without what differs from call to call. */
const filters = (): string =>
  families
    .map((program) => run(`${program}-save`, '-t', 'filter').replace(/^#.*\n/gm, ''))
    .join('')
    .replace(/^:(\S+ \S+) .*$/gm, ':$1');

const podRules = (): string[] => filters().match(/^-A CNI-FORWARD -[sd].*$/gm) ?? [];

function without(conf: Json, ...keys: string[]): Json {
  return Object.fromEntries(Object.entries(conf).filter(([key]) => !keys.includes(key)));
}

describe.skipIf(!node).each(['nft', 'legacy'])('backend iptables over %s', (variant) => {
  beforeEach(() => {
    const directory = `/run/iptables-${variant}`;
    if (!existsSync(directory)) {
      mkdirSync(directory);
      for (const program of families) {
        for (const verb of ['', '-save', '-restore'])
          symlinkSync(`/usr/sbin/${program}-${variant}${verb}`, `${directory}/${program}${verb}`);
      }
    }
    process.env['PATH'] = `${directory}:${path}`;
  });
  afterEach(() => {
    for (const program of families) {
      run(program, '-F');
      run(program, '-X');
    }
    process.env['PATH'] = path;
    node.reset();
  });

  test('ADD accepts the addresses once, CHECK agrees, DEL takes them back, twice', async () => {
    const pod = node.container();
    const conf = firewall(pod, 5);
    expect(await node.ok('ADD', conf, pod)).toEqual(conf['prevResult']);
    await node.ok('ADD', conf, pod);
    expect(podRules()).toEqual([
      '-A CNI-FORWARD -d 10.1.0.5/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      '-A CNI-FORWARD -s 10.1.0.5/32 -j ACCEPT',
      '-A CNI-FORWARD -d fd00:1::5/128 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      '-A CNI-FORWARD -s fd00:1::5/128 -j ACCEPT',
    ]);
    await node.ok('CHECK', conf, pod);
    await node.ok('DEL', conf, pod);
    await node.ok('DEL', conf, pod);
    expect(podRules()).toEqual([]);
    expect(list(recordDirectory)).toEqual([]);
    expect((await node.call('CHECK', conf, pod)).json).toMatchObject({ code: 100 });
  });

  test('CHECK misses a rule of either family, and of the policy', async () => {
    const pod = node.container();
    const conf = firewall(pod, 5, { ingressPolicy: 'isolated' });
    await node.ok('ADD', conf, pod);
    await node.ok('CHECK', conf, pod);
    run('ip6tables', '-D', 'CNI-FORWARD', '-s', 'fd00:1::5', '-j', 'ACCEPT');
    expect((await node.call('CHECK', conf, pod)).json).toMatchObject({ code: 100 });
    await node.ok('ADD', conf, pod);
    await node.ok('CHECK', conf, pod);
    run('iptables', '-F', 'CNI-ISOLATION-STAGE-2');
    expect((await node.call('CHECK', conf, pod)).json).toMatchObject({ code: 100 });
  });

  test('DEL without prevResult removes what ADD noted, and a broken configuration does not keep it', async () => {
    const pod = node.container();
    const conf = firewall(pod, 5);
    await node.ok('ADD', conf, pod);
    await node.ok('DEL', without({ ...conf, backend: 'pf' }, 'prevResult'), pod);
    expect(podRules()).toEqual([]);
    expect(list(recordDirectory)).toEqual([]);
  });

  test('an ADD that fails leaves nothing', async () => {
    const pod = node.container();
    const conf = firewall(pod, 5);
    // A chain's name that the rules cannot be put into: IPv6's part fails after IPv4's is done.
    run('ip6tables', '-N', 'CNI-FORWARD');
    run('ip6tables', '-N', 'LOOP');
    run('ip6tables', '-A', 'LOOP', '-j', 'CNI-FORWARD');
    const looping = { ...conf, iptablesAdminChainName: 'LOOP' };
    expect((await node.call('ADD', looping, pod)).code).toBe(1);
    expect(podRules()).toEqual([]);
    expect(list(recordDirectory)).toEqual([]);
  });

  test('GC removes what is not valid of its network, and not what runs', async () => {
    const [stale, valid, foreign] = [node.container(), node.container(), node.container()];
    await node.ok('ADD', firewall(stale, 5), stale);
    await node.ok('ADD', firewall(valid, 6), valid);
    await node.ok('ADD', firewall(foreign, 7, { name: 'other' }), foreign);
    const gc = {
      cniVersion: '1.1.0',
      name: 'net',
      type: 'firewall',
      'cni.dev/valid-attachments': [{ containerID: valid.id, ifname: 'eth0' }],
    };
    {
      using _running = lockAttachment({ network: 'net', containerId: stale.id, ifname: 'eth0' });
      await node.ok('GC', gc);
      expect(podRules()).toHaveLength(12);
    }
    await node.ok('GC', gc);
    expect(podRules()).toHaveLength(8);
    expect(podRules().join()).not.toContain('10.1.0.5');
    await node.ok('CHECK', firewall(valid, 6), valid);
    await node.ok('CHECK', firewall(foreign, 7, { name: 'other' }), foreign);
  });

  test('an address that another pod has by now stays accepted after a late DEL and GC', async () => {
    const [late, next] = [node.container(), node.container()];
    await node.ok('ADD', firewall(late, 5), late);
    await node.ok('ADD', firewall(next, 5), next);
    await node.ok('DEL', firewall(late, 5), late);
    const valid = [{ containerID: next.id, ifname: 'eth0' }];
    await node.ok('GC', {
      ...without(firewall(late, 5), 'prevResult'),
      cniVersion: '1.1.0',
      'cni.dev/valid-attachments': valid,
    });
    expect(podRules()).toHaveLength(4);
    await node.ok('CHECK', firewall(next, 5), next);
    await node.ok('DEL', firewall(next, 5), next);
    expect(podRules()).toEqual([]);
  });

  test('many at once make each rule once', async () => {
    const pods = Array.from({ length: 6 }, () => node.container());
    await Promise.all(pods.map((pod, index) => node.ok('ADD', firewall(pod, 10 + index), pod)));
    expect(podRules()).toHaveLength(24);
    expect(filters().match(/^-A FORWARD.*-j CNI-FORWARD$/gm)).toHaveLength(2);
    await Promise.all(pods.map((pod, index) => node.ok('DEL', firewall(pod, 10 + index), pod)));
    expect(podRules()).toEqual([]);
  });

  test
    .skipIf(!go)
    .each([
      {},
      { ingressPolicy: 'same-bridge' },
      { ingressPolicy: 'isolated', iptablesAdminChainName: 'MINE' },
    ])('leaves what upstream’s leaves, which either checks and deletes: %j', async (more) => {
    const pod = node.container();
    const conf = firewall(pod, 5, { backend: 'iptables', ...more });
    const theirs = (command: 'ADD' | 'CHECK' | 'DEL'): Json => {
      const { code, stdout, json } = node.exec(go as string, command, conf, pod);
      if (code !== 0) throw new Error(stdout);
      return json;
    };
    const result = theirs('ADD');
    const seen = filters();
    await node.ok('CHECK', conf, pod);
    await node.ok('DEL', conf, pod);
    expect(podRules()).toEqual([]);
    const left = filters();
    for (const program of families) {
      run(program, '-F');
      run(program, '-X');
    }
    expect(await node.ok('ADD', conf, pod)).toEqual(result);
    expect(filters()).toBe(seen);
    theirs('CHECK');
    theirs('DEL');
    expect(filters()).toBe(left);
  });
});

describe.skipIf(!node)('configuration and STATUS', () => {
  test('ADD needs prevResult, and hands on one without addresses', async () => {
    const pod = node.container();
    const conf = firewall(pod, 5);
    expect((await node.call('ADD', without(conf, 'prevResult'), pod)).json['code']).toBe(7);
    const prevResult = { cniVersion: '1.0.0', interfaces: [{ name: 'br0' }] };
    expect(await node.ok('ADD', { ...conf, prevResult }, pod)).toEqual(prevResult);
    expect(run('nft', 'list', 'ruleset')).toBe('');
  });

  test('STATUS wants the backend that is configured', async () => {
    const conf = { cniVersion: '1.1.0', name: 'net', type: 'firewall' };
    await node.ok('STATUS', conf);
    await node.ok('STATUS', { ...conf, backend: 'iptables' });
    await node.ok('STATUS', { ...conf, backend: 'nftables' });
    expect((await node.call('STATUS', { ...conf, backend: 'firewalld' })).json['code']).toBe(50);
    expect((await node.call('STATUS', { ...conf, backend: 'pf' })).json['code']).toBe(7);
  });
});
