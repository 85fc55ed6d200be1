import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Break } from './break.ts';
import { COMMAND_TIMEOUT, idsOf, LabUnderTest, labsAvailable } from './lab-under-test.ts';

/** What is broken, the one line that goes red, how many then do not run, and the reason or hint that is printed. */
type Case = readonly [what: Break, line: string, notRun: number, hint: RegExp];

const available = labsAvailable();

/** Breaks one path after the other in a lab whose agents do not repair. */
function breaksOneByOne(lab: LabUnderTest, cases: readonly Case[], flags: readonly string[]): void {
  beforeAll(async () => {
    await lab.up('--repair=false', '--firewall', 'nft', '--quick', ...flags);
  }, COMMAND_TIMEOUT);
  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });

  test.each(cases)('%s: %s goes red, nothing else does', async (what, line, notRun, hint) => {
    await lab.must('break', what);
    const { code, rows } = await lab.run('check', '--quick');
    expect(code).toBe(1);
    expect(idsOf(rows, 'failed')).toEqual([line]);
    expect(idsOf(rows, 'skipped')).toHaveLength(notRun);
    expect(idsOf(rows, 'passed')).toHaveLength(rows.length - notRun - 1);
    const red = rows.find((row) => row.outcome === 'failed');
    expect([red?.detail, ...(red?.hints ?? [])].join('\n')).toMatch(hint);
    // No agent's business: the pod keeps what it was given. It is the last case.
    if (what === 'mtu-raised') return;
    // An agent that starts puts right what it finds.
    await lab.must('mend', what === 'forward' ? '2' : '1');
    expect(idsOf((await lab.must('check', '--quick')).rows, 'passed')).toHaveLength(rows.length);
  });
}

describe.skipIf(!available)('a lab whose agents do not repair', () => {
  const lab = new LabUnderTest('broken');
  const cases: readonly Case[] = [
    ['fdb', 'other-icmp/4', 11, /FDB entry .* \(node2\) missing on node1/],
    ['route', 'other-icmp/4', 11, /route to 10\.244\.\d+\.0\/24 \(node2\) missing on node1/],
    ['device', 'other-icmp/4', 11, /node1 has no flannel\.1|missing on node1/],
    ['mtu', 'mtu/4', 0, /ip -d link show flannel\.1 \(on node1\)/],
    ['masquerade', 'outside/4', 0, /no rule masquerades on node1/],
    ['forward', 'forward/4', 15, /FORWARD drops on node2 .* iptables-nft -S FORWARD/],
    ['mtu-raised', 'mtu/4', 0, /pod1a → pod2a: eth0 has MTU 1500, not 1450/],
  ];
  breaksOneByOne(lab, cases, ['--ipv', '4']);

  test('--only takes names, and refuses others', async () => {
    const { out, code } = await lab.run('check', '--only', 'nonsense');
    expect(code).toBe(1);
    expect(out).toContain('no check nonsense; there are ');
  });
});

describe.skipIf(!available)('the same with IPv6 alone', () => {
  const lab = new LabUnderTest('broken6');
  const cases: readonly Case[] = [
    ['fdb', 'other-icmp/6', 11, /FDB entry .* → 2001:db8::2 \(node2\) missing on node1: .*flannel-v6\.1/],
    ['masquerade', 'outside/6', 0, /no rule masquerades on node1/],
    ['forward', 'forward/6', 15, /FORWARD drops on node2 .* ip6tables-nft -S FORWARD/],
    ['mtu-raised', 'mtu/6', 0, /pod1a → pod2a: eth0 has MTU 1500, not 1430/],
  ];
  breaksOneByOne(lab, cases, ['--ipv', '6', '--nodes', '2']);
});
