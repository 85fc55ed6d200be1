import { describe, expect, test } from 'vitest';
import type { NodeInfo } from '../registry.ts';
import { ip } from '../registry-samples.ts';
import { addressOf, annotationChanges, annotationNames, annotationsOf, publishedBy } from './annotations.ts';

const names = annotationNames('flannel.alpha.coreos.com');
const short = (annotations: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(annotations).map(([key, value]) => [key.split('/')[1], value]));

/** What flanneld 0.28 leaves on a Node of its own, by backend and families (flannel, pkg/subnet/kube/kube.go). */
const FLANNELD: Readonly<Record<string, { info: NodeInfo; annotations: Record<string, string> }>> = {
  'vxlan, IPv4': {
    info: {
      name: 'a',
      publicIp: ip('192.0.2.1'),
      backend: { type: 'vxlan', data: { VNI: 1, VtepMAC: '0a:0b:0c:0d:0e:0f' } },
    },
    annotations: {
      'kube-subnet-manager': 'true',
      'backend-type': 'vxlan',
      'backend-data': '{"VNI":1,"VtepMAC":"0a:0b:0c:0d:0e:0f"}',
      'public-ip': '192.0.2.1',
    },
  },
  'vxlan, IPv6 alone': {
    info: {
      name: 'a',
      publicIpV6: ip('2001:db8::1'),
      backend: { type: 'vxlan', v6Data: { VNI: 1, VtepMAC: '0a:0b:0c:0d:0e:0f' } },
    },
    annotations: {
      'kube-subnet-manager': 'true',
      'backend-type': 'vxlan',
      'backend-v6-data': '{"VNI":1,"VtepMAC":"0a:0b:0c:0d:0e:0f"}',
      'public-ipv6': '2001:db8::1',
    },
  },
  'host-gw, both': {
    info: {
      name: 'a',
      publicIp: ip('192.0.2.1'),
      publicIpV6: ip('2001:db8::1'),
      backend: { type: 'host-gw' },
    },
    annotations: {
      'kube-subnet-manager': 'true',
      'backend-type': 'host-gw',
      'backend-data': 'null',
      'public-ip': '192.0.2.1',
      'backend-v6-data': 'null',
      'public-ipv6': '2001:db8::1',
    },
  },
  'wireguard, IPv6 alone': {
    info: {
      name: 'a',
      publicIpV6: ip('2001:db8::1'),
      backend: { type: 'wireguard', v6Data: { PublicKey: 'a+/=', Port: 51821 } },
    },
    annotations: {
      'kube-subnet-manager': 'true',
      'backend-type': 'wireguard',
      'backend-data': 'null',
      'public-ip': '0.0.0.0',
      'backend-v6-data': '{"PublicKey":"a+/=","Port":51821}',
      'public-ipv6': '2001:db8::1',
    },
  },
  ipip: {
    info: { name: 'a', publicIp: ip('192.0.2.1'), backend: { type: 'ipip' } },
    annotations: {
      'kube-subnet-manager': 'true',
      'backend-type': 'ipip',
      'backend-data': 'null',
      'public-ip': '192.0.2.1',
    },
  },
  alloc: {
    info: { name: 'a', publicIp: ip('192.0.2.1'), backend: { type: 'alloc' } },
    annotations: {
      'kube-subnet-manager': 'true',
      'backend-type': '',
      'backend-data': 'null',
      'public-ip': '192.0.2.1',
    },
  },
};

describe.each(Object.entries(FLANNELD))('%s', (_, { info, annotations }) => {
  test('is written as flanneld does, and read back', () => {
    const written = annotationsOf(names, info, {});
    expect(short(written)).toEqual(annotations);
    const { name: _name, ...published } = info;
    expect(publishedBy(names, written)).toEqual(published);
    expect(annotationChanges(names, written, written)).toEqual({});
  });
});

test('a half that is gone is removed, what else is there stays', () => {
  const info = { name: 'a', publicIp: ip('192.0.2.1'), backend: { type: 'host-gw' } };
  const current = { [names.publicIpV6]: '2001:db8::1', [names.type]: 'host-gw', other: 'x' };
  const changes = annotationChanges(names, annotationsOf(names, info, current), current);
  expect(short(changes)).toEqual({
    'kube-subnet-manager': 'true',
    'backend-data': 'null',
    'public-ip': '192.0.2.1',
    'public-ipv6': null,
  });
});

test('characters that Go escapes in JSON are escaped', () => {
  const data = { PSK: '<&>' };
  const info = { name: 'a', backend: { type: 'vxlan', data } };
  expect(annotationsOf(names, info, {})[names.data]).toBe('{"PSK":"\\u003c\\u0026\\u003e"}');
});

test('what somebody edited by hand counts as not published', () => {
  const odd = {
    [names.data]: '{',
    [names.v6Data]: 'null',
    [names.publicIp]: 'x',
    [names.publicIpV6]: '192.0.2.1',
  };
  expect(publishedBy(names, odd)).toEqual({ backend: { type: 'alloc' } });
  expect(addressOf('2001:db8::1', 4)).toBeUndefined();
});

test('prefixes, as flanneld takes them', () => {
  const managed = (prefix: string): string => annotationNames(prefix).managed;
  expect(managed('flannel.alpha.coreos.com')).toBe('flannel.alpha.coreos.com/kube-subnet-manager');
  expect(managed('flannel.alpha.coreos.com/')).toBe('flannel.alpha.coreos.com/kube-subnet-manager');
  expect(managed('a.b/net')).toBe('a.b/net-kube-subnet-manager');
  expect(managed('a.b/net-')).toBe('a.b/net-kube-subnet-manager');
  for (const wrong of ['nodot', 'a.b/c/d', 'A.B', 'a.b/c d'])
    expect(() => managed(wrong)).toThrow(RangeError);
});
