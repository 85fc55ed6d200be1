import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { freshNetns, run, TemporaryDirectory } from '../../conformance/testing/netns.ts';

const available = freshNetns();
const MAIN = new URL('../../main.ts', import.meta.url).pathname;
const directory = new TemporaryDirectory();
afterAll(() => directory[Symbol.dispose]());

const netConf = directory.join('net-conf.json');
const flags = [
  `--net-config-path=${netConf}`,
  `--store=${directory.join('store.db')}`,
  `--state-dir=${directory.join('state')}`,
  `--run-dir=${directory.join('run')}`,
  `--subnet-file=${directory.join('subnet.env')}`,
];

type Process = Bun.Subprocess<'ignore', 'pipe', 'pipe'>;

function spawn(args: readonly string[], environment: Record<string, string> = {}): Process {
  return Bun.spawn([process.execPath, MAIN, 'agent', ...args], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    env: { PATH: process.env['PATH'] ?? '', NODE_NAME: 'n1', ...environment },
  });
}

/** Runs to the end: exit code, then what was printed. */
async function ended(process: Process): Promise<[number, string]> {
  const [out, error] = await Promise.all([process.stdout.text(), process.stderr.text()]);
  return [await process.exited, out + error];
}

/** Reads the log until a line has that text. @throws Error with the log when it ends before */
async function logged(process: Process, text: string): Promise<void> {
  const reader = process.stderr.getReader();
  let log = '';
  try {
    while (!log.includes(text)) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`ended before it said "${text}":\n${log}`);
      log += new TextDecoder().decode(value);
    }
  } finally {
    reader.releaseLock();
  }
}

describe('asked for what cannot be', () => {
  beforeAll(async () => {
    await Bun.write(netConf, '{"Network":"10.244.0.0/16"}');
    await Bun.write(directory.join('udp.json'), '{"Network":"10.244.0.0/16","Backend":{"Type":"udp"}}');
    await Bun.write(directory.join('broken.json'), '{"Network":');
    await Bun.write(directory.join('config.yaml'), 'agent:\n  metrics-prot: 1\n');
  });

  test.each<[string, string[], Record<string, string>, RegExp]>([
    ['an unknown flag', ['--ip-mask'], {}, /did you mean --ip-masq/],
    ['etcd without a server', ['--etcd-endpoints=ftp://x:1'], {}, /--etcd-endpoints must be a URL/],
    [
      'two datastores, by the environment',
      ['--datastore=etcd'],
      { FLANNELD_KUBE_SUBNET_MGR: 'true' },
      /contradict each other/,
    ],
    ['no net-conf', ['--net-config-path=/nonexistent'], {}, /write one such as/],
    [
      'a broken net-conf',
      [`--net-config-path=${directory.join('broken.json')}`],
      {},
      /broken.json: .*not valid JSON/,
    ],
    [
      'a backend to come',
      [...flags, `--net-config-path=${directory.join('udp.json')}`],
      {},
      /"udp" is not built; built: vxlan, host-gw, wireguard/,
    ],
    [
      'a config file with a typing error',
      [`--config=${directory.join('config.yaml')}`],
      {},
      /unknown key "metrics-prot"/,
    ],
    ['an argument too many', ['surplus'], {}, /unexpected argument "surplus"/],
  ])('%s: exit code 2 and what to do', async (_what, args, environment, message) => {
    const [code, text] = await ended(spawn(args, environment));
    expect(text).toMatch(message);
    expect(code).toBe(2);
  });

  test.each(['-version', '--version', '--version=true'])('%s prints it', async (flag) => {
    expect(await ended(spawn([flag]))).toEqual([0, expect.stringMatching(/^underpod \d+\.\d+\.\d+\n$/)]);
  });

  test('--help tells every flag', async () => {
    const [code, text] = await ended(spawn(['--help']));
    expect(code).toBe(0);
    for (const flag of ['iface-can-reach', 'kube-annotation-prefix', 'repair', 'lease-ttl'])
      expect(text).toContain(`--${flag}`);
  });
});

describe.skipIf(!available)('a running agent', () => {
  beforeAll(() => {
    run(
      'sh',
      '-ec',
      `ip link add eth0 type veth peer name far; ip link set far up; ip link set eth0 up
      ip addr add 192.0.2.1/24 dev eth0; ip route add default via 192.0.2.254`,
    );
  });

  const state = (): string => run('sh', '-c', 'ip -o link show flannel.1; ip route show; nft list ruleset');

  test('is alive while etcd does not answer, says so, and ends when it is told to', async () => {
    run('ip', 'link', 'set', 'lo', 'up');
    const waiting = spawn([...flags, '--etcd-endpoints=127.0.0.1:1', '--healthz-port=9398']);
    onTestFinished(() => waiting.kill('SIGKILL'));
    await logged(waiting, 'etcd cannot be asked');
    expect((await fetch('http://127.0.0.1:9398/healthz')).status).toBe(200);
    const readyz = await fetch('http://127.0.0.1:9320/readyz');
    expect([readyz.status, await readyz.text()]).toEqual([
      503,
      expect.stringMatching(
        /^waiting for the datastore \(etcd, http:.*127.0.0.1:1 [^ ]*\): etcd cannot be asked .+/,
      ),
    ]);
    expect(await (await fetch('http://127.0.0.1:9320/metrics')).text()).toContain('underpod_agent_ready 0');
    const arguments_ = [process.execPath, MAIN, 'status', `--run-dir=${directory.join('run')}`];
    const status = Bun.spawn(arguments_, { stderr: 'pipe' });
    expect(await status.stderr.text()).toContain('the agent is not ready: waiting for the datastore');
    expect(await status.exited).toBe(1);
    waiting.kill('SIGTERM');
    expect(await waiting.exited).toBe(0);
  });

  test('a port that something else has is a reason to end only where it was asked for', async () => {
    using other = Bun.serve({ hostname: '127.0.0.1', port: 9320, fetch: () => new Response('mine') });
    const quiet = spawn([...flags, '--etcd-endpoints=127.0.0.1:1']);
    onTestFinished(() => quiet.kill('SIGKILL'));
    await logged(quiet, 'metrics are served on the socket only');
    await logged(quiet, 'etcd cannot be asked');
    quiet.kill('SIGTERM');
    expect(await quiet.exited).toBe(0);
    const [code, text] = await ended(spawn([...flags, `--metrics-port=${other.port}`]));
    expect([code, text]).toEqual([1, expect.stringContaining('cannot serve HTTP on 127.0.0.1:9320')]);
  });

  test('is ready, refuses a second one, answers status, and leaves all in place when killed or stopped', async () => {
    const environment = { FLANNELD_HEALTHZ_PORT: '9399', FLANNELD_IFACE: 'eth0' };
    const first = spawn([...flags, '-v=1', '-logtostderr=true', '-stderrthreshold=0'], environment);
    await logged(first, 'ready peers=0');
    expect((await fetch('http://127.0.0.1:9320/readyz')).status).toBe(200);
    expect((await fetch('http://127.0.0.1:9399/readyz')).status).toBe(200);

    const [code, text] = await ended(spawn(flags));
    expect([code, text]).toEqual([1, expect.stringContaining('another agent is running')]);
    expect((await fetch('http://127.0.0.1:9320/readyz')).status).toBe(200);

    const before = state();
    first.kill('SIGKILL');
    await first.exited;
    expect(state()).toBe(before);

    const second = spawn([...flags, '--log-format=json', '--metrics-port=0'], environment);
    await logged(second, '"message":"ready"');
    expect(state()).toBe(before);
    await expect(fetch('http://127.0.0.1:9320/readyz')).rejects.toThrow();
    const status = Bun.spawn([process.execPath, MAIN, 'status', `--run-dir=${directory.join('run')}`], {
      stdout: 'pipe',
    });
    expect(await status.stdout.text()).toContain('node         n1');
    expect(await status.exited).toBe(0);

    second.kill('SIGTERM');
    expect(await second.exited).toBe(0);
    expect(state()).toBe(before);
    expect(await Bun.file(directory.join('subnet.env')).exists()).toBe(true);
  });
});
