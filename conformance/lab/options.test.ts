import { describe, expect, test } from 'vitest';
import { labBackend, netConf, podMtu } from './backends.ts';
import { nodeNumber, parseCommandLine, UsageError } from './options.ts';

describe('the command line', () => {
  test('takes flags before the environment before defaults', () => {
    expect(parseCommandLine(['up'], {}).options).toMatchObject({ nodes: 3, ipv: 'dual', repair: true });
    expect(parseCommandLine(['up'], { NODES: '4', IPV: '6' }).options).toMatchObject({ nodes: 4, ipv: '6' });
    const line = parseCommandLine(['up', '--nodes', '5', '--ipv=4', '--repair=false'], {
      NODES: '4',
      IPV: '6',
    });
    expect(line.options).toMatchObject({ nodes: 5, ipv: '4', repair: false });
    expect(line.options).toMatchObject({ store: 'embedded', backend: 'vxlan', flannel: [], services: true });
    expect(parseCommandLine(['up', '--services=false'], {}).options).toMatchObject({ services: false });
    const env = { STORE: 'etcd', BACKEND: 'host-gw', FLANNEL: '1,node3' };
    expect(parseCommandLine(['up'], env).options).toMatchObject({
      store: 'etcd',
      backend: 'host-gw',
      services: false,
      flannel: [1, 3],
    });
  });

  test('hands on what follows --', () => {
    const line = parseCommandLine(['shell', '2', '--', 'ip', '--json'], {});
    expect(line.positionals).toEqual(['2']);
    expect(line.rest).toEqual(['ip', '--json']);
  });

  test.each([
    [['up', '--nodes', '0']],
    [['up', '--nodes', 'many']],
    [['up', '--nodes', '33']],
    [['up', '--ipv', '5']],
    [['up', '--name', '../x']],
    [['up', '--repair', 'maybe']],
    [['up', '--firewall', 'pf']],
    [['up', '--store', 'redis']],
    [['up', '--backend', 'ipip']],
    [['up', '--flannel', '1']],
    [['up', '--flannel', '4', '--store', 'etcd']],
    [['up', '--unknown']],
  ])('refuses %j and says what to write', (args) => {
    expect(() => parseCommandLine(args, {})).toThrow(UsageError);
  });

  test('knows nodes by number and by name', () => {
    expect(nodeNumber('2')).toBe(2);
    expect(nodeNumber('node12')).toBe(12);
    for (const wrong of ['', '0', 'pod1', '1.5']) expect(() => nodeNumber(wrong)).toThrow(UsageError);
  });
});

describe('the address plan', () => {
  test('gives flannel its configuration', () => {
    const vxlan = labBackend('vxlan');
    expect(JSON.parse(netConf('4', vxlan))).toEqual({ Network: '10.244.0.0/16', Backend: { Type: 'vxlan' } });
    expect(JSON.parse(netConf('6', vxlan))).toMatchObject({ EnableIPv4: false, EnableIPv6: true });
    expect(JSON.parse(netConf('dual', vxlan))).toMatchObject({ Network: '10.244.0.0/16', EnableIPv6: true });
  });

  test('leaves room for the outer headers', () => {
    const ofPods = (ipv: '4' | '6' | 'dual', backend: 'vxlan' | 'host-gw' | 'wireguard' | 'ipip'): number =>
      podMtu(ipv, labBackend(backend));
    expect([ofPods('4', 'vxlan'), ofPods('6', 'vxlan'), ofPods('dual', 'vxlan')]).toEqual([1450, 1430, 1430]);
    expect([ofPods('4', 'ipip'), ofPods('dual', 'wireguard'), ofPods('dual', 'host-gw')]).toEqual([
      1480, 1420, 1500,
    ]);
  });
});
