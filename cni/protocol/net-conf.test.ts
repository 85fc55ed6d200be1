import { describe, expect, test } from 'vitest';
import { formatCidr } from '../../shared/ip/cidr.ts';
import { isCniError } from './error.ts';
import type { NetConf } from './net-conf.ts';
import { maxConfigBytes, parseNetConf } from './net-conf.ts';

const parse = (value: unknown): NetConf => parseNetConf(new TextEncoder().encode(JSON.stringify(value)));

function problem(action: () => unknown): [code: number, message: string] {
  try {
    action();
  } catch (error) {
    if (isCniError(error)) return [error.code, error.message];
    throw error;
  }
  throw new Error('no error was thrown');
}

const minimal = { cniVersion: '1.1.0', name: 'net', type: 'bridge' };

describe('parseNetConf', () => {
  test('reads the keys of the protocol and keeps all others', () => {
    const conf = parse({
      ...minimal,
      ipam: { type: 'host-local', subnet: '10.0.0.0/24' },
      runtimeConfig: { mac: 'x' },
      args: { cni: { ips: [] } },
      'cni.dev/valid-attachments': [{ containerID: 'a', ifname: 'eth0', more: 1 }],
      bridge: 'cni0',
    });
    expect(conf).toMatchObject({
      cniVersion: '1.1.0',
      name: 'net',
      type: 'bridge',
      ipam: { type: 'host-local', raw: { subnet: '10.0.0.0/24' } },
      prevResult: undefined,
      runtimeConfig: { mac: 'x' },
      args: { cni: { ips: [] } },
      validAttachments: [{ containerId: 'a', ifname: 'eth0' }],
      raw: { bridge: 'cni0' },
    });
  });

  test('a missing or null cniVersion is 0.1.0', () => {
    expect(parse({ name: 'n' }).cniVersion).toBe('0.1.0');
    expect(parse({ name: 'n', cniVersion: null, type: null, ipam: null, prevResult: null })).toMatchObject({
      cniVersion: '0.1.0',
      type: '',
      ipam: undefined,
    });
  });

  test.each(['1.2.0', '0.0.1', '1.1', 'v1.0.0', '1.1.0 '])('cniVersion %j is code 1', (cniVersion) => {
    expect(problem(() => parse({ ...minimal, cniVersion }))).toEqual([
      1,
      expect.stringContaining('is not supported'),
    ]);
  });

  test.each([undefined, null, '', '-a', 'a/b', '..', 'a b'])('name %j is code 7', (name) => {
    expect(problem(() => parse({ ...minimal, name }))).toEqual([7, expect.stringContaining('name')]);
  });

  test.each([
    ['name', 1],
    ['cniVersion', {}],
    ['type', []],
    ['ipam', 'dhcp'],
    ['prevResult', []],
    ['runtimeConfig', 'x'],
    ['args', false],
    ['cni.dev/valid-attachments', {}],
  ])('%s of a wrong type is code 6 and named', (key, value) => {
    expect(problem(() => parse({ ...minimal, [key]: value }))).toEqual([6, expect.stringContaining(key)]);
  });

  test.each([
    [{ ipam: { type: 1 } }, 'ipam.type'],
    [{ 'cni.dev/valid-attachments': [{ ifname: 'a' }] }, 'cni.dev/valid-attachments[0].containerID'],
    [
      { 'cni.dev/valid-attachments': [{ containerID: 'a', ifname: 1 }] },
      'cni.dev/valid-attachments[0].ifname',
    ],
    [{ 'cni.dev/valid-attachments': [null] }, 'cni.dev/valid-attachments[0]'],
    [{ prevResult: { ips: [{ address: '10.0.0.1' }] } }, 'prevResult.ips[0].address'],
  ])('%j is code 6', (part, path) => {
    expect(problem(() => parse({ ...minimal, ...part }))).toEqual([6, expect.stringContaining(path)]);
  });

  test('an empty list of attachments is not an absent one', () => {
    expect(parse({ ...minimal, 'cni.dev/valid-attachments': [] }).validAttachments).toEqual([]);
    expect(parse({ ...minimal, 'cni.dev/valid-attachments': null }).validAttachments).toEqual([]);
    expect(parse(minimal).validAttachments).toBeUndefined();
  });

  test("a prevResult without version has the configuration's", () => {
    const old = parse({ name: 'n', cniVersion: '0.2.0', prevResult: { ip4: { ip: '10.0.0.2/24' } } });
    expect(old.prevResult?.ips.map((ip) => formatCidr(ip.address))).toEqual(['10.0.0.2/24']);
    const now = parse({ ...minimal, prevResult: { ips: [{ address: 'fd00::2/64' }] } });
    expect(now.prevResult?.ips.map((ip) => formatCidr(ip.address))).toEqual(['fd00::2/64']);
  });

  test('a prevResult of another version is converted', () => {
    const conf = parse({ ...minimal, prevResult: { cniVersion: '0.2.0', ip6: { ip: 'fd00::2/64' } } });
    expect(conf.prevResult?.ips).toHaveLength(1);
  });

  test('a broken prevResult can be ignored, other errors cannot', () => {
    const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
    const options = { lenientPrevResult: true };
    expect(parseNetConf(bytes({ ...minimal, prevResult: { ips: 1 } }), options).prevResult).toBeUndefined();
    expect(parseNetConf(bytes({ ...minimal, prevResult: 'x' }), options).prevResult).toBeUndefined();
    expect(() => parseNetConf(bytes({ ...minimal, ipam: 1 }), options)).toThrow('ipam');
  });

  test('16 MB of stdin are refused by size', () => {
    const huge = new Uint8Array(16 * 1024 * 1024).fill(0x20);
    expect(problem(() => parseNetConf(huge))).toEqual([6, expect.stringContaining(String(maxConfigBytes))]);
  });
});
