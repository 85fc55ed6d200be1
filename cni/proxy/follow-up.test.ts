import { expect, test } from 'vitest';
import { FakeClock } from '../../shared/daemon/fake-clock.ts';
import { silentLogger } from '../../shared/log/logger.ts';
import type { Catalogue } from './catalogue.ts';
import { FollowUp } from './follow-up.ts';
import type { ServiceChecks } from './health/service-checks.ts';
import type { ProxyMetrics } from './metrics.ts';
import { type Address, endpointOf, type Family } from './model/endpoint.ts';
import type { ServicePort } from './model/service-port.ts';
import type { NodeCache } from './state/node-cache.ts';
import { portsOf } from './state/node-cache.ts';

const address = '\x0a\x60\0\x0a' as Address;

function udp(name: string): ServicePort {
  return {
    name,
    service: name,
    protocol: 'UDP',
    frontends: [{ kind: 'cluster-ip', address, port: 53, policy: 'cluster' }],
    endpoints: [],
    localEndpoints: [],
  };
}

test('a kernel that tells of no flows keeps neither the other family nor the cache waiting, and nothing of what is gone', () => {
  const ports = new Map([udp('default/a'), udp('default/b')].map((port) => [port.name, port]));
  let touched = 0;
  let fails = true;
  const asked: [Family, number][] = [];
  const followUp = new FollowUp({
    catalogue: {
      ports: () => portsOf(ports),
      serving: () => [endpointOf(address, 53)],
    } as unknown as Catalogue,
    checks: {} as ServiceChecks,
    cache: { touch: () => (touched += 1) } as unknown as NodeCache,
    metrics: { conntrack: () => {} } as unknown as ProxyMetrics,
    clock: new FakeClock(),
    log: silentLogger,
    deleteStaleFlows: (targets) => {
      asked.push([targets.family, targets.hasNodePorts ? 2 : 1]);
      if (fails) throw new Error('EOPNOTSUPP');
      return 0;
    },
  });
  followUp.programmed(4, ['default/a']);
  followUp.programmed(6, ['default/b']);
  expect(() => followUp.run()).toThrow('EOPNOTSUPP');
  expect(asked.map(([family]) => family)).toEqual([4, 6]);
  expect(touched).toBe(2);
  asked.splice(0);
  ports.delete('default/a');
  expect(() => followUp.run()).toThrow('EOPNOTSUPP');
  fails = false;
  asked.splice(0);
  // Its name is used again, and nothing has been programmed for it.
  ports.set('default/a', udp('default/a'));
  followUp.run();
  expect(asked.map(([family]) => family)).toEqual([6]);
  asked.splice(0);
  followUp.run();
  expect(asked).toEqual([]);
});
