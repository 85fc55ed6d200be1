/** Each capability of the manifest is needed, and no other: the executable with exactly these, as root in a namespace. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { executable } from '../build/executable.ts';
import { freshNetns, inUserNamespace, run, TemporaryDirectory } from '../testing/netns.ts';
import { type DaemonSet, manifestsOf, only } from './manifests.ts';

function whyNot(): string | undefined {
  if (Bun.which('setpriv') === null) return 'setpriv is missing (util-linux)';
  if (Bun.which('iptables-legacy') === null) return 'iptables-legacy is missing (make setup)';
  return inUserNamespace()
    ? 'root of a user namespace may do other things than a container’s root'
    : undefined;
}

const reason = whyNot();
if (reason !== undefined) process.stderr.write(`skipped: the agent's capabilities: ${reason}\n`);

const [agent] = only<DaemonSet>(manifestsOf('kubeadm'), 'DaemonSet').spec.template.spec.containers;
const needed = agent.securityContext?.capabilities?.add ?? [];

describe.skipIf(reason !== undefined || !freshNetns())('the agent', () => {
  const directory = new TemporaryDirectory();
  let underpod = '';
  beforeAll(() => {
    underpod = executable();
    for (const args of [
      'link add eth0 type veth peer wire',
      'address add 192.0.2.1/24 dev eth0',
      'link set eth0 up',
      'link set wire up',
      'route add default via 192.0.2.254',
    ])
      run('ip', ...args.split(' '));
    // A node whose packet filter the agent has to see and to change, by programs.
    run('iptables-legacy', '-P', 'FORWARD', 'DROP');
  }, 120_000);
  afterAll(() => directory[Symbol.dispose]());

  /** Runs it until it is ready or says that it cannot. @returns its log */
  async function runWith(capabilities: readonly string[]): Promise<string> {
    const base = `${directory.path}/${capabilities.join('-') || 'none'}`;
    mkdirSync(base);
    writeFileSync(`${base}/net-conf.json`, JSON.stringify({ Network: '10.244.0.0/16' }));
    const bounding = ['-all', ...capabilities.map((name) => `+${name.toLowerCase()}`)].join(',');
    const child = Bun.spawn(
      [
        ...['setpriv', '--pdeathsig=KILL', '--inh-caps=-all', `--bounding-set=${bounding}`, '--no-new-privs'],
        ...[underpod, 'agent', `--net-config-path=${base}/net-conf.json`, `--store=${base}/store.db`],
        ...[
          `--state-dir=${base}`,
          `--run-dir=${base}/run`,
          `--subnet-file=${base}/subnet.env`,
          '--metrics-port=0',
        ],
      ],
      { env: {}, stdin: 'ignore', stdout: 'ignore', stderr: 'pipe', timeout: 15_000 },
    );
    let log = '';
    for await (const piece of child.stderr.pipeThrough(new TextDecoderStream())) {
      log += piece;
      if (/ ready |failed, will be tried again|not permitted/i.test(log)) child.kill();
    }
    await child.exited;
    return log;
  }

  test('is ready with what the manifest gives', async () => {
    const log = await runWith(needed);
    expect(log).toContain(' ready ');
    expect(log).not.toMatch(/ (warn|error) /);
  });

  test.each(needed)('is not ready without %s', async (name) => {
    const log = await runWith(needed.filter((other) => other !== name));
    expect(log).not.toContain(' ready ');
    expect(log).toMatch(/not permitted|Permission denied/);
  });
});
