import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { lockAttachment } from '../common/attachment-lock.ts';
import { Keep } from '../common/keep.ts';
import { network } from '../testing/bridge.ts';
import type { Container, Json } from '../testing/node.ts';
import { goPlugins, ipJson, nftJson, run, TestNode } from '../testing/node.ts';

import { prepareGcPortmap } from './gc.ts';

const node = TestNode.enter() as TestNode;
const go = goPlugins();
afterEach(() => node?.reset());

const ports = [
  { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
  { hostPort: 5353, containerPort: 53, protocol: 'udp' },
];

function portmap(net: Json, more: Json = {}): Json {
  const { cniVersion, name } = net;
  return { cniVersion, name, type: 'portmap', runtimeConfig: { portMappings: ports }, ...more };
}

/** A pod of a dual-stack bridge network with these port mappings. */
async function addPod(
  more: Json = {},
  side: (command: 'ADD', conf: Json, pod: Container) => Promise<Json> = (command, conf, pod) =>
    node.ok(command, conf, pod),
): Promise<{ pod: Container; net: Json; conf: Json; result: Json }> {
  const net = network({ isDefaultGateway: true, hairpinMode: true, cniVersion: '1.0.0' }, [
    [{ subnet: '10.99.0.0/24' }],
    [{ subnet: 'fd00:99::/64' }],
  ]);
  const pod = node.container();
  const result = await node.ok('ADD', net, pod);
  const conf = { ...portmap(net, more), prevResult: result };
  expect(await side('ADD', conf, pod)).toEqual(result);
  return { pod, net, conf, result };
}

const upstream = async (command: 'ADD' | 'DEL' | 'CHECK', conf: Json, pod: Container): Promise<Json> => {
  const answer = node.exec(go as string, command, conf, pod);
  if (answer.code !== 0) throw new Error(`${command} by upstream: ${answer.stdout}`);
  return answer.json;
};

/** The ruleset without handles and names of containers. */
function ruleset(pod: Container): string {
  return run('nft', 'list', 'ruleset').replaceAll(pod.id, 'POD');
}

/** Comments of all rules of the tables of nf_tables that hold ports. */
function rulesOf(id: string): number {
  const rules = nftJson('list', 'ruleset').nftables.map(({ rule }) => rule as Json | undefined);
  return rules.filter((rule) => rule?.['comment'] === id).length;
}

describe.skipIf(!node)('portmap', () => {
  test('needs the result of a plugin before', async () => {
    const { json } = await node.call('ADD', portmap(network()), node.container());
    expect(json).toMatchObject({ code: 7, msg: expect.stringMatching(/needs "prevResult"/) });
  });

  test.each([
    [
      { portMappings: [{ hostPort: 0, containerPort: 80, protocol: 'tcp' }] },
      /hostPort 0 must lie between 1 and 65535/,
    ],
    [{ portMappings: [{ hostPort: 80, containerPort: 70000, protocol: 'tcp' }] }, /containerPort 70000/],
    [{ portMappings: [{ hostPort: 80, containerPort: 80, protocol: 'icmp' }] }, /protocol "icmp" is unknown/],
    [
      { portMappings: [{ hostPort: 80, containerPort: 80, protocol: 'tcp', hostIP: 'x' }] },
      /hostIP "x" is no IP/,
    ],
  ])('refuses %j', async (runtimeConfig, message) => {
    const conf = { ...portmap(network(), { runtimeConfig }), prevResult: { cniVersion: '1.1.0', ips: [] } };
    const { json } = await node.call('ADD', conf, node.container());
    expect(json).toMatchObject({ code: 7, msg: expect.stringMatching(message) });
  });

  test.each([
    [
      { backend: 'iptables', conditionsV4: ['-s', '192.0.2.1\n-A INPUT -j DROP'] },
      /conditionsV4\[1\] is "192/,
    ],
    [{ backend: 'iptables', conditionsV6: ['!', '-i\0'] }, /conditionsV6\[1\]/],
    [{ externalSetMarkChain: 'X\n-F' }, /externalSetMarkChain "X\\n-F" is no chain/],
    [{ externalSetMarkChain: 'A B' }, /is no chain/],
    [{ externalSetMarkChain: '-F' }, /is no chain/],
    [{ externalSetMarkChain: 'x'.repeat(29) }, /is no chain/],
  ])('refuses %j, which would be a rule of its own for iptables-restore', async (more, message) => {
    const conf = { ...portmap(network(), more), prevResult: { cniVersion: '1.1.0', ips: [] } };
    const { json } = await node.call('ADD', conf, node.container());
    expect(json).toMatchObject({ code: 7, msg: expect.stringMatching(message) });
    await node.ok('DEL', conf, node.container());
  });

  test('without mappings hands the result on and leaves the kernel alone', async () => {
    const { pod, conf } = await addPod({ runtimeConfig: {} });
    expect(nftJson('list', 'ruleset').nftables.filter(({ table }) => table)).toEqual([]);
    await node.ok('DEL', conf, pod);
  });

  test('ADD, CHECK, DEL; a second DEL and one without prevResult are fine', async () => {
    const { pod, conf } = await addPod();
    expect(rulesOf(pod.id)).toBe(2 * 2 + 2 + 1);
    await node.ok('CHECK', conf, pod);
    run('nft', 'flush', 'chain', 'ip', 'cni_hostport', 'hostports');
    expect((await node.call('CHECK', conf, pod)).json['msg']).toMatch(
      /0 of 2 rules .* hostports of table ip/,
    );
    await node.ok('DEL', conf, pod);
    expect(rulesOf(pod.id)).toBe(0);
    const { prevResult: _gone, ...bare } = conf as Json & { prevResult: Json };
    await node.ok('DEL', bare, pod);
  });

  test('DEL takes its own network’s rules, and knows them by their comment where the record does not fit', async () => {
    const { pod, conf } = await addPod();
    const other = { ...conf, name: 'other' };
    await node.ok('ADD', other, pod);
    const record = readFileSync(`/run/underpod/portmap/other/${pod.id}`, 'utf8');
    expect(record).toMatch(/^ip cni_hostport hostports \d+$/m);
    expect(record).toMatch(/^ip6 cni_hostport masquerading \d+$/m);
    await node.ok('DEL', conf, pod);
    expect(rulesOf(pod.id)).toBe(7);
    await node.ok('CHECK', other, pod);
    // Somebody writes the tables anew, in which all rules get other handles; or ADD was killed before it knew them.
    const rewritten = `flush ruleset\n${run('nft', 'list', 'ruleset')}`;
    expect(spawnSync('nft', ['-f', '-'], { input: rewritten }).status).toBe(0);
    await node.ok('DEL', other, pod);
    expect(rulesOf(pod.id)).toBe(0);
    await node.ok('ADD', conf, pod);
    const path = `/run/underpod/portmap/${conf['name']}/${pod.id}`;
    writeFileSync(path, '');
    // An ADD over what was left does not know of the old rules.
    await node.ok('ADD', conf, pod);
    expect(readFileSync(path, 'utf8')).toBe(`interface ${pod.ifname}\n`);
    await node.ok('DEL', conf, pod);
    expect(rulesOf(pod.id)).toBe(0);
  });

  test('writes again what is missing of the tables', async () => {
    const one = await addPod();
    run('nft', 'flush', 'ruleset');
    const two = await addPod();
    expect(rulesOf(two.pod.id)).toBe(7);
    run('nft', 'flush', 'chain', 'ip', 'cni_hostport', 'prerouting');
    const three = await addPod();
    expect(run('nft', 'list', 'chain', 'ip', 'cni_hostport', 'prerouting')).toContain('jump hostports_all');
    for (const { pod, conf } of [one, two, three]) await node.ok('DEL', conf, pod);
  });

  test('addresses of the node, masqAll, snat', async () => {
    const mappings = [
      { hostPort: 80, containerPort: 8080, protocol: 'TCP', hostIP: '192.0.2.7' },
      { hostPort: 81, containerPort: 8080, protocol: 'tcp', hostIP: 'fd00::7' },
      { hostPort: 82, containerPort: 8080, protocol: 'tcp', hostIP: '0.0.0.0' },
    ];
    const all = await addPod({ masqAll: true, runtimeConfig: { portMappings: mappings } });
    const text = run('nft', 'list', 'table', 'ip', 'cni_hostport');
    expect(text).toMatch(/ip daddr 192\.0\.2\.7 tcp dport 80 dnat to 10\.99\.0\.\d+:8080/);
    expect(text).toMatch(/\ttcp dport 82 dnat to/);
    expect(text).not.toContain('dport 81');
    expect(run('nft', 'list', 'table', 'ip6', 'cni_hostport')).toContain(
      'ip6 daddr fd00::7 tcp dport 81 dnat to [fd00:99::',
    );
    await node.ok('CHECK', all.conf, all.pod);
    await node.ok('DEL', all.conf, all.pod);
    const none = await addPod({ snat: false });
    expect(rulesOf(none.pod.id)).toBe(4);
    await node.ok('DEL', none.conf, none.pod);
  });

  test('conditions', async () => {
    const { pod, conf } = await addPod({ conditionsV4: ['ip', 'saddr', '!=', '192.0.2.0/24'] });
    expect(run('nft', 'list', 'chain', 'ip', 'cni_hostport', 'output')).toContain(
      'ip saddr != 192.0.2.0/24 fib daddr type local jump hostports_all',
    );
    await node.ok('DEL', conf, pod);
    const bad = { ...conf, conditionsV4: ['meta', 'skuid', '0'] };
    expect((await node.call('ADD', bad, pod)).json).toMatchObject({ code: 7 });
    expect(rulesOf(pod.id)).toBe(0);
  });

  test('GC removes what is not valid, and nothing of another network', async () => {
    const [one, two, three] = [await addPod(), await addPod(), await addPod()];
    const valid = [{ containerID: one.pod.id, ifname: 'eth0' }];
    await node.ok('GC', {
      ...portmap({ ...one.net, cniVersion: '1.1.0' }),
      'cni.dev/valid-attachments': valid,
    });
    expect(rulesOf(two.pod.id)).toBe(7);
    await node.ok('GC', { ...portmap({ ...two.net, cniVersion: '1.1.0' }), 'cni.dev/valid-attachments': [] });
    expect([one, two, three].map(({ pod }) => rulesOf(pod.id))).toEqual([7, 0, 7]);
    for (const { pod, conf } of [one, two, three]) await node.ok('DEL', conf, pod);
  });

  test('GC leaves alone what an ADD is about to make anew', async () => {
    const { pod, net, conf } = await addPod();
    const attachment = { network: String(net['name']), containerId: pod.id, ifname: pod.ifname };
    const remove = await prepareGcPortmap(attachment.network);
    const keep = new Keep(attachment.network, []);
    {
      using _adding = lockAttachment(attachment);
      await remove(keep);
      expect(rulesOf(pod.id)).toBe(7);
    }
    await remove(new Keep(attachment.network, []));
    expect(rulesOf(pod.id)).toBe(0);
    await node.ok('DEL', conf, pod);
  });

  test('an id that is too long for a comment is refused before anything is made, by portmap alone', async () => {
    const { conf, pod } = await addPod({ runtimeConfig: {} });
    const long = { ...pod, id: 'x'.repeat(129) };
    const asking = { ...conf, runtimeConfig: { portMappings: ports } };
    const { json } = await node.call('ADD', asking, long);
    expect(json).toMatchObject({ code: 4, msg: expect.stringMatching(/129 bytes.* 128 at most/) });
    expect(json['details']).toContain('"backend": "iptables"');
    expect(existsSync('/run/underpod/portmap')).toBe(false);
    for (const one of [long, { ...pod, id: 'x'.repeat(128) }]) await node.ok('DEL', asking, one);
    await node.ok('ADD', asking, { ...pod, id: 'x'.repeat(128) });
    await node.ok('DEL', asking, { ...pod, id: 'x'.repeat(128) });
    expect(rulesOf('x'.repeat(128))).toBe(0);
  });

  test('STATUS', async () => {
    await node.ok('STATUS', { ...portmap(network()) });
    await node.ok('STATUS', { ...portmap(network()), backend: 'iptables' });
    expect((await node.call('STATUS', { ...portmap(network()), backend: 'ipchains' })).json).toMatchObject({
      code: 7,
    });
  });
});

describe.skipIf(!node || !go)('in the place of upstream’s', () => {
  test('leaves the same rules in nf_tables', async () => {
    const texts: string[] = [];
    for (const side of [
      upstream,
      (command: 'ADD', conf: Json, pod: Container) => node.ok(command, conf, pod),
    ]) {
      const { pod, conf } = await addPod({ backend: 'nftables' }, side);
      texts.push(
        ruleset(pod)
          .replace(/10\.99\.0\.\d+/g, 'IP')
          .replace(/fd00:99::\d+/g, 'IP6'),
      );
      await node.ok('DEL', conf, pod);
      node.reset();
    }
    expect(texts[1]).toBe(texts[0]);
  });

  test.each(['nftables', 'iptables'])('%s: what one made the other checks and deletes', async (backend) => {
    for (const [maker, remover] of [
      [upstream, (command: 'DEL' | 'CHECK', conf: Json, pod: Container) => node.ok(command, conf, pod)],
      [(command: 'ADD', conf: Json, pod: Container) => node.ok(command, conf, pod), upstream],
    ] as const) {
      const { pod, conf } = await addPod({ backend }, maker);
      await remover('CHECK', conf, pod);
      await remover('DEL', conf, pod);
      expect(rulesOf(pod.id)).toBe(0);
      expect(run('iptables-save') + run('ip6tables-save')).not.toContain(pod.id);
      node.reset();
    }
  });

  test('deletes what upstream left in iptables though ours is nftables, and GC does', async () => {
    const one = await addPod({ backend: 'iptables' }, upstream);
    const two = await addPod({ backend: 'iptables' }, upstream);
    const { backend: _none, ...conf } = one.conf;
    await node.ok('CHECK', conf, one.pod);
    await node.ok('DEL', conf, one.pod);
    expect(run('iptables-save')).not.toContain(one.pod.id);
    expect(run('iptables-save')).toContain(two.pod.id);
    await node.ok('GC', { ...portmap({ ...two.net, cniVersion: '1.1.0' }), 'cni.dev/valid-attachments': [] });
    expect(run('iptables-save') + run('ip6tables-save')).not.toContain(two.pod.id);
  });

  test('iptables: the same chains and rules', async () => {
    const saves: string[] = [];
    for (const side of [
      upstream,
      (command: 'ADD', conf: Json, pod: Container) => node.ok(command, conf, pod),
    ]) {
      const { pod } = await addPod({ backend: 'iptables' }, side);
      const text = run('iptables-save', '-t', 'nat') + run('ip6tables-save', '-t', 'nat');
      saves.push(
        text
          .replaceAll(pod.id, 'POD')
          .replace(/CNI-DN-[0-9a-f]+/g, 'CNI-DN-X')
          .replace(/net\d+/g, 'NET')
          .replace(/10\.99\.0\.\d+/g, 'IP')
          .replace(/fd00:99::\d+/g, 'IP6')
          .replace(/^#.*$|\[\d+:\d+\]/gm, ''),
      );
      node.reset();
    }
    expect(saves[1]).toBe(saves[0]);
  });
});

/** A client outside of the node, at 192.0.2.2 and fd00:2::2; the node has .1. */
function outside(): Container {
  const client = node.container();
  run('ip', 'link', 'add', 'out0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', client.id);
  run('ip', 'address', 'add', '192.0.2.1/24', 'dev', 'out0');
  run('ip', 'address', 'add', 'fd00:2::1/64', 'dev', 'out0', 'nodad');
  run('ip', 'link', 'set', 'out0', 'up');
  run('ip', '-n', client.id, 'address', 'add', '192.0.2.2/24', 'dev', 'eth0');
  run('ip', '-n', client.id, 'address', 'add', 'fd00:2::2/64', 'dev', 'eth0', 'nodad');
  run('ip', '-n', client.id, 'link', 'set', 'eth0', 'up');
  return client;
}

const serve = `
for (const hostname of ['0.0.0.0', '::'])
  Bun.listen({ hostname, port: 80, ipv6Only: true, socket: { open(s) { s.end(s.remoteAddress.replace('::ffff:', '')); }, data() {} } });
console.log('ready');
`;

/** What a server in the pod answers to a connection made in `from` (undefined: the node itself): the address it sees. */
function ask(from: Container | undefined, host: string, port: number): string {
  const script = `const s = await Bun.connect({ hostname: '${host}', port: ${port}, socket: { data(_, d) { console.log(d.toString()); process.exit(0); }, close() { process.exit(1); }, connectError() { process.exit(2); } } }); setTimeout(() => process.exit(3), 5000);`;
  const prefix = from ? ['ip', 'netns', 'exec', from.id] : [];
  const [program = '', ...args] = [...prefix, process.execPath, '-e', script];
  const { stdout, status } = spawnSync(program, args, { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : `exit ${status}`;
}

describe.skipIf(!node)('traffic', () => {
  beforeAll(() => {
    run('ip', 'link', 'set', 'lo', 'up');
  });

  test.each(['nftables', 'iptables'])(
    '%s: from outside, from the node, by localhost, and the pod to itself',
    async (backend) => {
      const client = outside();
      const { pod, conf, result } = await addPod({ backend, runtimeConfig: { portMappings: [ports[0]] } });
      const server = spawn('ip', ['netns', 'exec', pod.id, process.execPath, '-e', serve], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      try {
        await new Promise((resolve) => server.stdout.once('data', resolve));
        const gateway = (result['ips'] as Json[]).map((ip) => String(ip['gateway']));
        expect(ask(client, '192.0.2.1', 8080)).toBe('192.0.2.2');
        expect(ask(client, 'fd00:2::1', 8080)).toBe('fd00:2::2');
        expect(ask(undefined, '127.0.0.1', 8080)).toBe(gateway[0]);
        expect(ask(pod, '192.0.2.1', 8080)).toBe(gateway[0]);
        expect(ask(pod, 'fd00:2::1', 8080)).toBe(gateway[1]);
        await node.ok('DEL', conf, pod);
        expect(ask(client, '192.0.2.1', 8080)).toMatch(/exit/);
      } finally {
        server.kill('SIGKILL');
        ipJson('link', 'show');
      }
    },
  );
});
