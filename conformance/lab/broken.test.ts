import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMMAND_TIMEOUT, idsOf, LabUnderTest, labsAvailable } from './lab-under-test.ts';

describe.skipIf(!labsAvailable())('a lab whose agents do not repair', () => {
  const lab = new LabUnderTest('broken');

  beforeAll(async () => {
    await lab.up('--repair=false', '--ipv', '4', '--firewall', 'nft', '--quick');
  }, COMMAND_TIMEOUT);
  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });

  /** What is broken, the one line that goes red, those that then do not run, and the hint. */
  const cases = [
    ['fdb', 'other-icmp/4', 8, /FDB entry .* \(node2\) missing on node1/],
    ['route', 'other-icmp/4', 8, /route to 10\.244\.\d+\.0\/24 \(node2\) missing on node1/],
    ['device', 'other-icmp/4', 8, /node1 has no flannel\.1|missing on node1/],
    ['mtu', 'mtu/4', 0, /ip -d link show flannel\.1 \(on node1\)/],
    ['masquerade', 'outside/4', 0, /no rule masquerades on node1/],
    ['forward', 'forward/4', 12, /FORWARD drops on node2 .* iptables-nft -S FORWARD/],
    ['mtu-raised', 'mtu/4', 0, /./],
  ] as const;

  test.each(cases)('%s: %s goes red, nothing else does', async (what, line, notRun, hint) => {
    await lab.must('break', what);
    const { code, rows } = await lab.run('check', '--quick');
    expect(code).toBe(1);
    expect(idsOf(rows, 'failed')).toEqual([line]);
    expect(idsOf(rows, 'skipped')).toHaveLength(notRun);
    expect(idsOf(rows, 'passed')).toHaveLength(rows.length - notRun - 1);
    const red = rows.find((row) => row.outcome === 'failed');
    expect([red?.detail, ...(red?.hints ?? [])].join('\n')).toMatch(hint);
    if (what === 'mtu-raised') return;
    // An agent that starts puts right what it finds.
    await lab.must('mend', what === 'forward' ? '2' : '1');
    expect(idsOf((await lab.must('check', '--quick')).rows, 'passed')).toHaveLength(rows.length);
  });

  test('--only takes names, and refuses others', async () => {
    const { out, code } = await lab.run('check', '--only', 'nonsense');
    expect(code).toBe(1);
    expect(out).toContain('no check nonsense; there are ');
  });
});
