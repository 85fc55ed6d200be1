import { expect, test } from 'vitest';
import { ProcessMetrics } from './process.ts';

test('a process tells what Prometheus clients tell of theirs', async () => {
  const text = await new ProcessMetrics().expose();
  const value = (name: string): number => Number(new RegExp(`^process_${name} (\\S+)$`, 'm').exec(text)?.[1]);
  expect(value('resident_memory_bytes') / process.memoryUsage.rss()).toBeCloseTo(1, 0);
  expect(value('virtual_memory_bytes')).toBeGreaterThan(value('resident_memory_bytes'));
  const { user, system } = process.cpuUsage();
  expect(Math.abs(value('cpu_seconds_total') - (user + system) / 1e6)).toBeLessThan(0.5);
  expect(Math.abs(value('start_time_seconds') - (Date.now() / 1000 - process.uptime()))).toBeLessThan(5);
  expect(value('open_fds')).toBeGreaterThan(3);
  expect(value('max_fds')).toBeGreaterThan(value('open_fds'));
});
