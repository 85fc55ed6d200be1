/**
 * What goes wrong on nodes, for the types that come after another: a reboot, a full disk, two calls at once, and others
 * who flush tables or write rules of their own into chains of ours.
 */

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { canWork } from '../../conformance/cni/features.ts';
import { network } from './testing/bridge.ts';
import type { CallResult, Container, Json } from './testing/node.ts';
import { ipJson, run, TestNode } from './testing/node.ts';

const node = TestNode.enter() as TestNode;
const hasIfb = node && canWork('bandwidth');

const portMappings = [
  { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
  { hostPort: 5353, containerPort: 53, protocol: 'udp' },
];
const bandwidth = {
  ingressRate: 8_000_000,
  ingressBurst: 800_000,
  egressRate: 8_000_000,
  egressBurst: 800_000,
};

/** Every way that a chained type keeps something. */
const ways: [string, Json][] = [
  ['portmap, nftables', { type: 'portmap', backend: 'nftables', runtimeConfig: { portMappings } }],
  ['portmap, iptables', { type: 'portmap', backend: 'iptables', runtimeConfig: { portMappings } }],
  ['firewall, nftables', { type: 'firewall', backend: 'nftables', ingressPolicy: 'same-bridge' }],
  ['firewall, iptables', { type: 'firewall', backend: 'iptables' }],
  ...(hasIfb ? ([['bandwidth', { type: 'bandwidth', ...bandwidth }]] as [string, Json][]) : []),
];
const inTables = ways.filter(([way]) => way !== 'bandwidth');
const noted = ways.filter(([way]) => way.startsWith('portmap') || way === 'firewall, iptables');

/** A pod behind bridge, and what the chained type gets. */
interface Pod {
  readonly container: Container;
  readonly conf: Json;
  readonly ips: readonly string[];
}

let base: Json;

async function pod(keys: Json): Promise<Pod> {
  const container = node.container();
  const prevResult = await node.ok('ADD', base, container);
  const ips = (prevResult['ips'] as { address: string }[]).map(({ address }) => address.replace(/\/.*/, ''));
  return { container, ips, conf: { cniVersion: '1.1.0', name: base['name'], ...keys, prevResult } };
}

/** The base of each test: its network is its own. */
function begin(): void {
  base = network({ isDefaultGateway: true }, [[{ subnet: '10.99.0.0/24' }], [{ subnet: 'fd00:99::/64' }]]);
}

const gc = ({ conf }: Pod, ...valid: Pod[]): Json => ({
  ...conf,
  prevResult: undefined,
  'cni.dev/valid-attachments': valid.map(({ container: { id, ifname } }) => ({ containerID: id, ifname })),
});

const files = (): string[] =>
  run('find', '/run/underpod', '-type', 'f', '-not', '-name', 'neighbours-*')
    .split('\n')
    .filter((path) => path !== '');

/** Everything that names a pod: rules, elements, devices, files. */
function traces({ container, ips }: Pod): string[] {
  const own = [container.id, ...ips.map((ip) => `${ip}`)];
  const names = new RegExp(own.map((text) => `${text.replaceAll('.', '\\.')}(?![\\w.:])`).join('|'));
  const devices = ipJson<{ ifname: string; ifalias?: string }[]>('link', 'show', 'type', 'ifb');
  return [
    ...run('nft', 'list', 'ruleset')
      .split('\n')
      .filter((line) => names.test(line)),
    ...devices.filter(({ ifalias = '' }) => names.test(ifalias)).map(({ ifname }) => ifname),
    ...files().filter((path) => names.test(path)),
  ];
}

afterEach(() => node?.reset());

describe.skipIf(!node)('a reboot', () => {
  /** Takes away what the kernel had, and leaves all files, as where /run is on a disk. */
  function loseKernel(...pods: Pod[]): void {
    run('nft', 'flush', 'ruleset');
    for (const { ifname } of ipJson<{ ifname: string }[]>('link', 'show'))
      if (ifname !== 'lo' && !ifname.startsWith('veth')) run('ip', 'link', 'delete', ifname);
    for (const { container } of pods) {
      node.removeNetns(container);
    }
  }

  test.each(ways)('%s: files without anything in the kernel', async (_way, keys) => {
    begin();
    const [one, two] = [await pod(keys), await pod(keys)];
    for (const { conf, container } of [one, two]) await node.ok('ADD', conf, container);
    loseKernel(one, two);
    await node.ok('DEL', base, one.container);
    await node.ok('DEL', base, two.container);
    // Its addresses may be those of a pod before.
    const next = await pod(keys);
    await node.ok('ADD', next.conf, next.container);
    await node.ok('CHECK', next.conf, next.container);
    const { prevResult: _none, ...bare } = one.conf;
    await node.ok('DEL', bare, one.container);
    await node.ok('CHECK', next.conf, next.container);
    await node.ok('GC', gc(next, next));
    await node.ok('CHECK', next.conf, next.container);
    expect(
      files().filter((path) => path.includes(one.container.id) || path.includes(two.container.id)),
    ).toEqual([]);
    await node.ok('DEL', next.conf, next.container);
    expect(traces(next)).toEqual([]);
  });

  test.each(ways)('%s: a kernel that is full of what no file knows of', async (_way, keys) => {
    begin();
    const [one, two] = [await pod(keys), await pod(keys)];
    for (const { conf, container } of [one, two]) await node.ok('ADD', conf, container);
    rmSync('/run/underpod', { recursive: true, force: true });
    await node.ok('CHECK', two.conf, two.container);
    const next = await pod(keys);
    await node.ok('ADD', next.conf, next.container);
    for (const { conf, container } of [one, two, next]) await node.ok('DEL', conf, container);
    for (const gone of [one, two, next]) expect(traces(gone)).toEqual([]);
  });

  test.each(ways)('%s: a pod that comes again by its old id', async (_way, keys) => {
    begin();
    const first = await pod(keys);
    await node.ok('ADD', first.conf, first.container);
    loseKernel();
    await node.ok('DEL', base, first.container);
    const prevResult = await node.ok('ADD', base, first.container);
    const again = { ...first.conf, prevResult };
    await node.ok('ADD', again, first.container);
    await node.ok('CHECK', again, first.container);
    await node.ok('DEL', again, first.container);
    // What was noted of addresses that it had before.
    await node.ok('GC', gc(first));
    expect(traces(first)).toEqual([]);
  });
});

describe.skipIf(!node)('a full disk', () => {
  /** A GC keeps a file of its own, so that no ADD beside it is harmed. */
  async function collectOrSayWhy(one: Pod): Promise<void> {
    const { code, json } = await node.call('GC', gc(one));
    if (code !== 0) expect(json).toMatchObject({ code: 5, msg: expect.stringMatching(/no space|ENOSPC/) });
  }

  test.each(noted)('%s: ADD says so and leaves no rule, DEL and GC work', async (_way, keys) => {
    begin();
    const one = await pod(keys);
    mkdirSync('/run/underpod', { recursive: true });
    for (const inodes of [2, 3, 4]) {
      run('mount', '-t', 'tmpfs', '-o', `mode=0755,nr_inodes=${inodes}`, 'tmpfs', '/run/underpod');
      try {
        const { json } = await node.call('ADD', one.conf, one.container);
        expect([inodes, json['code'], json['msg']]).toEqual([
          inodes,
          5,
          expect.stringMatching(/no space left on device|ENOSPC/),
        ]);
        expect(traces(one)).toEqual([]);
        await node.ok('DEL', one.conf, one.container);
        await collectOrSayWhy(one);
      } finally {
        run('umount', '-l', '/run/underpod');
      }
    }
    await node.ok('ADD', one.conf, one.container);
    await node.ok('DEL', one.conf, one.container);
  });

  test.each(ways)('%s: that was not when the pod came: it is deleted all the same', async (_way, keys) => {
    begin();
    mkdirSync('/run/underpod', { recursive: true });
    run('mount', '-t', 'tmpfs', '-o', 'mode=0755,nr_inodes=12', 'tmpfs', '/run/underpod');
    try {
      const [one, two] = [await pod(keys), await pod(keys)];
      for (const { conf, container } of [one, two]) await node.ok('ADD', conf, container);
      for (let n = 0; n < 12; n++) {
        try {
          writeFileSync(`/run/underpod/filler${n}`, '');
        } catch {
          break;
        }
      }
      await node.ok('DEL', one.conf, one.container);
      expect(traces(one)).toEqual([]);
      await collectOrSayWhy(two);
      await node.ok('DEL', two.conf, two.container);
      expect(traces(two)).toEqual([]);
    } finally {
      run('umount', '-l', '/run/underpod');
    }
  });
});

/**
 * A pod's own chain goes with it, whoever has written into it; and those whose rules are the same on every node are written
 * anew where they are not these: upstream's portmap does that at each ADD, and for firewall there is an administrator's.
 */
const ownChains = /CNI-DN-|cni_hostport (prerouting|output|hostports_all)|underpod_firewall (forward|pods)$/;

describe.skipIf(!node)('others who work on the same tables', () => {
  const vandals: [string, () => void][] = [
    ['delete all tables', () => run('nft', 'flush', 'ruleset')],
    [
      'empty all chains',
      () => {
        for (const line of run('nft', 'list', 'tables').split('\n'))
          if (line !== '') run('nft', ...`flush ${line}`.split(' '));
      },
    ],
  ];

  test.each(
    inTables.flatMap(([way, keys]) => vandals.map(([what, wreck]) => [way, what, keys, wreck] as const)),
  )(
    '%s: %s between ADD and DEL: CHECK tells, the next ADD mends, DEL and GC work',
    async (_way, _what, keys, wreck) => {
      begin();
      const [one, two] = [await pod(keys), await pod(keys)];
      for (const { conf, container } of [one, two]) await node.ok('ADD', conf, container);
      wreck();
      expect((await node.call('CHECK', one.conf, one.container)).json).toMatchObject({ code: 100 });
      const next = await pod(keys);
      await node.ok('ADD', next.conf, next.container);
      await node.ok('CHECK', next.conf, next.container);
      await node.ok('DEL', one.conf, one.container);
      await node.ok('GC', gc(next, next));
      await node.ok('CHECK', next.conf, next.container);
      wreck();
      await node.ok('DEL', next.conf, next.container);
      await node.ok('GC', gc(next));
      for (const gone of [one, two, next]) expect(traces(gone)).toEqual([]);
    },
  );

  test.each(inTables)(
    '%s: rules of theirs in chains of ours stay, and do not keep ours',
    async (_way, keys) => {
      begin();
      const [one, two] = [await pod(keys), await pod(keys)];
      for (const { conf, container } of [one, two]) await node.ok('ADD', conf, container);
      const chains = [
        ...run('nft', '-j', 'list', 'chains').matchAll(
          /"family": "(\w+)", "table": "([^"]+)", "name": "([^"]+)"/g,
        ),
      ];
      expect(chains.length).toBeGreaterThan(0);
      let theirs = 0;
      for (const [, family, table, chain] of chains) {
        if (ownChains.test(`${table} ${chain}`)) continue;
        run('nft', 'add', 'rule', family ?? '', table ?? '', chain ?? '', 'counter', 'comment', '"theirs"');
        run(
          'nft',
          'insert',
          'rule',
          family ?? '',
          table ?? '',
          chain ?? '',
          'counter',
          'comment',
          '"theirs"',
        );
        theirs += 2;
      }
      const left = (): number => run('nft', 'list', 'ruleset').match(/comment "theirs"/g)?.length ?? 0;
      expect(left()).toBe(theirs);
      const next = await pod(keys);
      await node.ok('ADD', next.conf, next.container);
      await node.ok('DEL', one.conf, one.container);
      expect(traces(one)).toEqual([]);
      await node.ok('GC', gc(next, next));
      await node.ok('CHECK', next.conf, next.container);
      await node.ok('DEL', next.conf, next.container);
      // Of those whose rules do not say of which network they are, GC knows only what was noted.
      for (const gone of [two, next]) expect(traces(gone)).toEqual([]);
      expect(left()).toBe(theirs);
    },
  );
});

describe.skipIf(!node)('two ADDs for one attachment at a time', () => {
  const program = join(import.meta.dirname, 'testing', 'run-plugin.ts');

  async function addByProcess({ conf, container }: Pod): Promise<CallResult> {
    const child = Bun.spawn([process.execPath, program, String(conf['type'])], {
      env: {
        PATH: process.env['PATH'],
        CNI_COMMAND: 'ADD',
        CNI_CONTAINERID: container.id,
        CNI_NETNS: container.netns,
        CNI_IFNAME: container.ifname,
        CNI_PATH: '/nonexistent',
      },
      stdin: new TextEncoder().encode(JSON.stringify(conf)),
      stdout: 'pipe',
    });
    const stdout = await new Response(child.stdout).text();
    return { code: await child.exited, stdout, json: JSON.parse(stdout) as Json };
  }

  test.each(ways)('%s: what is there is whole, DEL leaves nothing', async (_way, keys) => {
    begin();
    const one = await pod(keys);
    const answers = await Promise.all([1, 2, 3].map(() => addByProcess(one)));
    expect(answers.some(({ code }) => code === 0)).toBe(true);
    // A second limit of one interface is refused, a second look at rules is not.
    for (const { code, json } of answers) if (code !== 0) expect(json).toMatchObject({ code: 7 });
    await node.ok('CHECK', one.conf, one.container);
    await node.ok('DEL', one.conf, one.container);
    expect(traces(one)).toEqual([]);
  });
});
