import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dataDir, flannelConf, subnetEnv } from '../testing/flannel.ts';
import type { Json } from '../testing/node.ts';
import { goPlugins, nothing, read, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;
const go = goPlugins();

beforeEach(() => writeFileSync('/run/flannel/subnet.env', subnetEnv(true)));
afterEach(() => node?.reset());

describe.skipIf(!node)('type flannel with a delegate of another project', () => {
  /** A plugin that writes down what it was called with. */
  function install(exitCode: number = 0): void {
    mkdirSync('/run/bin', { recursive: true });
    const answer =
      exitCode === 0
        ? '{"cniVersion":"0.3.1","ips":[{"version":"4","address":"192.0.2.5/24"}]}'
        : '{"code":120,"msg":"no luck","details":"at all"}';
    const script = `#!/bin/sh\ncat > /run/bin/stdin.$CNI_COMMAND\nenv > /run/bin/env.$CNI_COMMAND\necho '${answer}'\nexit ${exitCode}\n`;
    writeFileSync('/run/bin/other', script);
    chmodSync('/run/bin/other', 0o755);
  }
  const network: Json = { ...flannelConf, delegate: { type: 'other', colour: 'red' } };
  const path = { CNI_PATH: '/nowhere:/run/bin', CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAME=x' };

  test('it is executed with the rendered configuration, for every call', async () => {
    install();
    const pod = node.container();
    const result = await node.ok('ADD', network, pod, path);
    expect(result).toEqual({ cniVersion: '1.1.0', ips: [{ address: '192.0.2.5/24' }] });
    const given = JSON.parse(read('/run/bin/stdin.ADD')) as Json;
    expect(given).toMatchObject({ name: 'cbr0', type: 'other', colour: 'red', mtu: 1450, ipMasq: false });
    expect(given).toEqual(JSON.parse(read(`${dataDir}/${pod.id}`)));
    expect(read('/run/bin/env.ADD').split('\n')).toEqual(
      expect.arrayContaining([
        'CNI_COMMAND=ADD',
        `CNI_CONTAINERID=${pod.id}`,
        'CNI_IFNAME=eth0',
        `CNI_NETNS=${pod.netns}`,
        'CNI_PATH=/nowhere:/run/bin',
        'CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAME=x',
        expect.stringMatching(/^UNDERPOD_CNI_LOCK=[0-9a-f]{64}$/),
      ]),
    );
    await node.ok('CHECK', { ...network, prevResult: result }, pod, path);
    await node.ok('STATUS', network, undefined, path);
    await node.ok(
      'GC',
      { ...network, 'cni.dev/valid-attachments': [{ containerID: pod.id, ifname: 'eth0' }] },
      undefined,
      path,
    );
    expect(JSON.parse(read('/run/bin/stdin.GC'))).toMatchObject({
      'cni.dev/valid-attachments': [{ containerID: pod.id, ifname: 'eth0' }],
    });
    await node.ok('DEL', { ...network, prevResult: result }, pod, path);
    expect(JSON.parse(read('/run/bin/stdin.DEL'))).toEqual({ ...given, prevResult: result });
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('its error is the answer', async () => {
    install(1);
    const pod = node.container();
    const { json } = await node.call('ADD', network, pod, path);
    expect(json).toMatchObject({ code: 120, msg: 'plugin other failed (ADD): no luck', details: 'at all' });
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('it is run as a runtime would run it: without variables of Bun, and shown what it said at its end', async () => {
    install();
    const pod = node.container();
    process.env['BUN_UNDERPOD_TEST'] = 'leak';
    try {
      await node.ok('ADD', network, pod, path);
    } finally {
      delete process.env['BUN_UNDERPOD_TEST'];
    }
    expect(read('/run/bin/env.ADD')).not.toMatch(/^BUN_/m);
    await node.ok('DEL', network, pod, path);
    writeFileSync('/run/bin/other', '#!/bin/sh\necho "panic: oh" >&2\nexit 2\n');
    const { json } = await node.call('ADD', network, node.container(), path);
    expect(json).toMatchObject({ code: 999, msg: 'plugin other failed (ADD): panic: oh' });
    chmodSync('/run/bin/other', 0o644);
    expect((await node.call('ADD', network, node.container(), path)).json).toMatchObject({
      code: 5,
      msg: expect.stringMatching(/make it executable/),
    });
    writeFileSync('/run/bin/other', '#!/bin/sh\nexec yes\n', { mode: 0o755 });
    chmodSync('/run/bin/other', 0o755);
    expect((await node.call('ADD', network, node.container(), path)).json).toMatchObject({
      code: 5,
      msg: expect.stringMatching(/printed more than/),
    });
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('an unknown one is an error that names it', async () => {
    const { json } = await node.call(
      'ADD',
      { ...flannelConf, delegate: { type: 'absent' } },
      node.container(),
      path,
    );
    expect(json).toMatchObject({ code: 7, msg: 'no plugin "absent" is in CNI_PATH (/nowhere:/run/bin)' });
    expect(
      (await node.call('ADD', { ...flannelConf, delegate: { type: '../other' } }, node.container(), path))
        .json,
    ).toMatchObject({ code: 7 });
  });

  test.skipIf(!go)('upstream’s ptp, which in turn executes host-local', async () => {
    const pod = node.container();
    const ptp: Json = { ...flannelConf, cniVersion: '1.0.0', delegate: { type: 'ptp' } };
    const result = await node.ok('ADD', ptp, pod, { CNI_PATH: go as string });
    expect((result['ips'] as Json[])[0]).toMatchObject({ address: '10.244.3.2/24' });
    await node.ok('DEL', ptp, pod, { CNI_PATH: go as string });
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });
});
