import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../../conformance/testing/free-port.ts';
import { FakeClock } from '../../../shared/daemon/fake-clock.ts';
import { KubeError } from '../../../shared/kube/errors.ts';
import { silentLogger } from '../../../shared/log/logger.ts';
import { ServiceChecks } from '../health/service-checks.ts';
import { Bench } from '../testing/bench.ts';
import { until } from '../testing/until.ts';
import { type KubeEvent, kubeEvent } from './event.ts';
import { checkRefused, portRefused, starting } from './events.ts';
import { EventRecorder } from './recorder.ts';

/** @param answers what the server says to each Event, in turn; then it takes them */
function recorder(...answers: readonly (KubeError | undefined)[]) {
  const clock = new FakeClock(Date.UTC(2026, 0, 2, 3, 4, 5, 6));
  const sent: KubeEvent[] = [];
  const client = {
    create: async (_: unknown, event: unknown) => {
      sent.push(event as KubeEvent);
      const error = answers[sent.length - 1];
      if (error) throw error;
      return event as never;
    },
  };
  const made = new EventRecorder({ client, clock, log: silentLogger, host: 'n1', random: () => 0 });
  onTestFinished(() => made[Symbol.dispose]());
  return { clock, sent, recorder: made };
}

const lost = new KubeError('gone', { code: 0, reason: 'Unreachable' });
const refused = new KubeError('no', { code: 403, reason: 'Forbidden' });

test("an Event has kube-proxy's reason and what the API server asks for", () => {
  const at = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
  expect(kubeEvent(starting('n1', 'ipvs', '1.2'), at, 'n1')).toEqual({
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { name: `n1.${(BigInt(at) * 1_000_000n).toString(16)}`, namespace: 'default' },
    eventTime: '2026-01-02T03:04:05.006000Z',
    reportingController: 'underpod-proxy',
    reportingInstance: 'underpod-proxy-n1',
    action: 'StartKubeProxy',
    reason: 'Starting',
    regarding: { apiVersion: 'v1', kind: 'Node', name: 'n1' },
    note: 'underpod proxy 1.2, mode ipvs',
    type: 'Normal',
  });
  const check = kubeEvent(checkRefused('shop/web', 'n1', 30_001, 'ü'.repeat(2000)), at, 'x'.repeat(300));
  expect(check.metadata.namespace).toBe('shop');
  expect(check.regarding).toEqual({ apiVersion: 'v1', kind: 'Service', namespace: 'shop', name: 'web' });
  expect(check.reportingInstance).toHaveLength(128);
  expect(Buffer.byteLength(check.note)).toBeLessThanOrEqual(1024);
  expect(check.note).not.toContain('\ufffd');
});

test('a server that is not there is asked again, one that refuses is not', async () => {
  const { clock, sent, recorder: events } = recorder(lost, lost, undefined, refused);
  events.tell(starting('n1', 'ipvs', '1'));
  events.tell(portRefused('n1', 'healthz', 'taken'));
  await clock.advance(19_999);
  expect(sent.map(({ reason }) => reason)).toEqual(['Starting', 'Starting']);
  await clock.advance(600_000);
  expect(sent.map(({ reason }) => reason)).toEqual([
    ...['Starting', 'Starting', 'Starting'],
    'FailedToStartProxierHealthcheck',
  ]);
  // It is the time of what happened that is told.
  expect(sent.at(-1)?.eventTime).toBe('2026-01-02T03:04:05.006000Z');
});

test('it gives up after twelve attempts, and the same is told once in six minutes', async () => {
  const { clock, sent, recorder: events } = recorder(...Array.from({ length: 12 }, () => lost));
  events.tell(starting('n1', 'ipvs', '1'));
  await clock.advance(359_999);
  events.tell(starting('n1', 'ipvs', '1'));
  expect(sent).toHaveLength(12);
  await clock.advance(1);
  events.tell(starting('n1', 'ipvs', '1'));
  await clock.advance(0);
  expect(sent).toHaveLength(13);
});

test('the end of the program ends its waiting', async () => {
  const { clock, sent, recorder: events } = recorder(lost);
  events.tell(starting('n1', 'ipvs', '1'));
  await clock.advance(1000);
  events[Symbol.dispose]();
  await clock.advance(60_000);
  events.tell(portRefused('n1', 'metrics', 'taken'));
  await clock.advance(60_000);
  expect(sent).toHaveLength(1);
});

test('a health check whose port another program has is told of when that goes on for ten seconds, once', async () => {
  const port = await freePort();
  const other = Bun.serve({ hostname: '127.0.0.1', port, fetch: () => new Response('theirs') });
  onTestFinished(() => other.stop(true));
  const clock = new FakeClock();
  const told: string[] = [];
  using checks = new ServiceChecks({
    clock,
    log: silentLogger,
    isHealthy: () => true,
    addresses: () => [{ address: '127.0.0.1' }],
    onRefused: (service, at) => told.push(`${service} ${at}`),
  });
  checks.set('shop/web', { port, localEndpoints: 1 });
  await clock.advance(8999);
  expect(told).toEqual([]);
  await clock.advance(30_000);
  expect(told).toEqual([`shop/web ${port}`]);
});

test('a proxy that starts says so', async () => {
  await using bench = new Bench();
  bench.api.put('Node', 'n1');
  bench.api.service('web', '10.96.0.10');
  bench.api.slice('web', '10.244.2.2@n2');
  const told: string[] = [];
  const { proxy } = bench.start([], undefined, {
    tell: ({ reason, note }) => told.push(`${reason}: ${note}`),
  });
  expect(told).toEqual(['Starting: underpod proxy 0, mode nftables']);
  await until('it is ready', () => proxy.health.isSynced);
});
