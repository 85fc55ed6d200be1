import { expect, test } from 'vitest';
import { Metrics } from './metrics.ts';

test('counters, gauges and histograms are exposed under the prefix', async () => {
  const metrics = new Metrics('underpod_test_');
  metrics.counter('repairs_total', 'Repairs.', ['kind']).inc({ kind: 'route' }, 2);
  let peers = 1;
  metrics.gauge('peers', 'Peers.', [], () => peers);
  metrics.histogram('program_duration_seconds', 'Time.', [0.01, 0.1]).observe(0.05);
  let states: Record<string, number> = { gone: 3 };
  metrics.gauges('nodes', 'Nodes.', 'state', () => states);
  await metrics.expose();
  states = { here: 2 };
  peers = 7;

  const lines = (await metrics.expose()).split('\n');
  expect(lines).toContain('underpod_test_repairs_total{kind="route"} 2');
  expect(lines).toContain('underpod_test_peers 7');
  expect(lines.filter((line) => line.startsWith('underpod_test_nodes'))).toEqual([
    'underpod_test_nodes{state="here"} 2',
  ]);
  expect(lines).toContain('underpod_test_program_duration_seconds_bucket{le="0.01"} 0');
  expect(lines).toContain('underpod_test_program_duration_seconds_bucket{le="0.1"} 1');
  expect(lines).toContain('# HELP underpod_test_repairs_total Repairs.');
});

test('a count that somebody else keeps is told as it is, and not at all while it cannot be', async () => {
  const metrics = new Metrics('their_');
  let packets: number | undefined = 7;
  metrics.counterOf('packets_total', 'Packets.', () => packets);
  const told = async (): Promise<string[]> =>
    (await metrics.expose()).split('\n').filter((line) => line.startsWith('their_'));
  expect(await told()).toEqual(['their_packets_total 7']);
  packets = 9;
  expect(await told()).toEqual(['their_packets_total 9']);
  packets = undefined;
  expect(await told()).toEqual([]);
  packets = 11;
  expect(await told()).toEqual(['their_packets_total 11']);
});

test('two programs in one process do not share metrics', async () => {
  const [one, two] = [new Metrics('one_'), new Metrics('one_')];
  one.counter('things', 'Things.').inc();
  two.counter('things', 'Things.');
  expect(await one.expose()).toContain('one_things 1');
  expect(await two.expose()).toContain('one_things 0');
});
