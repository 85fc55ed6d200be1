import { expect, test } from 'vitest';
import { readRuntimeConfig } from './runtime-config.ts';

test('names as containerd writes them become those of the conventions', () => {
  // Seen on stdin of a plugin that containerd 1.6.20 and 2.4.2 called.
  const written = {
    portMappings: [{ HostPort: 8080, ContainerPort: 80, Protocol: 'tcp', HostIP: '' }],
    bandwidth: { IngressRate: 1000, IngressBurst: 2000, EgressRate: 3000, EgressBurst: 4000 },
    ipRanges: [[{ Subnet: '10.1.0.0/24', RangeStart: '', RangeEnd: '', Gateway: '' }]],
    dns: { Servers: ['192.0.2.1'], Searches: null, Options: [] },
    'io.kubernetes.cri.pod-annotations': { Kept: 'as it is' },
  };
  expect(readRuntimeConfig(written)).toEqual({
    portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIP: '' }],
    bandwidth: { ingressRate: 1000, ingressBurst: 2000, egressRate: 3000, egressBurst: 4000 },
    ipRanges: [[{ subnet: '10.1.0.0/24', rangeStart: '', rangeEnd: '', gateway: '' }]],
    dns: { servers: ['192.0.2.1'], searches: null, options: [] },
    'io.kubernetes.cri.pod-annotations': { Kept: 'as it is' },
  });
});

test('what is named right already is handed on, and wins', () => {
  const right = { portMappings: [{ hostPort: 1 }], bandwidth: null, mac: '02:00:00:00:00:01' };
  expect(readRuntimeConfig(right)).toBe(right);
  expect(readRuntimeConfig({ portMappings: [{ hostPort: 1, HostPort: 2 }, 3] })).toEqual({
    portMappings: [{ hostPort: 1 }, 3],
  });
  expect(readRuntimeConfig(undefined)).toEqual({});
  expect(() => readRuntimeConfig([])).toThrow('runtimeConfig must be an object');
});
