/**
 * `make soak`: the full figures of everything that must hold, written to docs/soak.md with date and machine.
 *
 * Each step is a command that anyone can run by hand; its last lines go into the document as they were printed.
 *
 * Usage: main.ts [STEP …]   (all unless named; of the others the document keeps what they gave last)
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { uname } from '../../shared/sys/process.ts';

interface Step {
  readonly name: string;
  /** What must hold, in the document's words. */
  readonly claim: string;
  readonly command: readonly string[];
  /** How many of the last lines the document keeps. */
  readonly keep: number;
}

const root = resolve(import.meta.dirname, '../..');
const bun = (script: string, ...args: string[]): string[] => ['node_modules/.bin/bun', script, ...args];

/** `make up` twice, the second in less than 15 s with its checks, and `make down`. */
const labTwice = `make up > build/soak/up.log && start=$(date +%s%N) && make up && end=$(date +%s%N) && make down &&
ms=$(( (end - start) / 1000000 )) && echo "the second make up took $ms ms (limit 15000)" && test $ms -lt 15000`;

const steps: readonly Step[] = [
  {
    name: 'bench',
    claim:
      'CNI calls, start-up, peers, agent, store and tables within their budgets, beside the Go plugins where they exist. ' +
      'Of the 3,000 messages for 1,000 peers the last of each send asks for its acknowledgement; failures always tell',
    command: bun('conformance/bench/main.ts', '--rounds', '300'),
    keep: 40,
  },
  {
    name: 'kills',
    claim:
      '1,000 rounds, 8 at a time, a tenth killed at a random moment, GC now and then beside them, and a kill at every ' +
      "state-changing system call, of a node's first ADD too, and of the chained types: nothing is left, nothing in use is harmed",
    command: bun('conformance/kill/main.ts', '--rounds', '1000', '--points', 'all', '--seed', '20261121'),
    keep: 130,
  },
  {
    name: 'proxy-flood',
    claim:
      'the nftables mode of the service proxy: 10,000 removals of endpoints while every packet opens a connection, ' +
      'and no packet without an endpoint',
    command: bun('conformance/proxy/packets/flood-main.ts', '--removals', '10000', '--packets', '1000000'),
    keep: 3,
  },
  {
    name: 'proxy-rolling',
    claim:
      'a service whose pods are replaced one after the other, ten changes and a thousand new connections a second: no connection ' +
      'fails while the proxy works, is stopped, killed at any moment, and exchanged for one whose table has another layout; ' +
      'connections that are open go on',
    command: bun('scripts/test.ts', 'soak', 'cni/proxy/rolling'),
    keep: 30,
  },
  {
    name: 'lab',
    claim:
      'three nodes, dual stack: every path between pods; the second run in less than 15 s, checks included',
    command: ['bash', '-c', labTwice],
    keep: 45,
  },
  {
    name: 'ci-tests',
    claim: 'two clean clones give the same bytes; an install killed before each change loses nothing',
    command: ['env', 'UNDERPOD_INSTALL_KILLS=all', ...bun('scripts/test.ts', 'ci', 'conformance/build')],
    keep: 12,
  },
  {
    name: 'fuzz',
    claim:
      'parsers under a million mutated inputs and more: no crash, no answer outside the specification, at least 30 % past parsing',
    command: bun('conformance/fuzz/main.ts', '--inputs', '120000', '--seed', '1'),
    keep: 30,
  },
  {
    name: 'fuzz-calls',
    claim:
      'a million and more calls of every plugin type with mutated configuration, prevResult, capabilities and environment: ' +
      'each answer is one of the specification, at least 30 % past parsing',
    command: bun('conformance/fuzz/main.ts', '--target', 'plugin-call', '--inputs', '1100000', '--seed', '2'),
    keep: 4,
  },
  {
    name: 'fuzz-services',
    claim:
      'a million and more mutated Services and EndpointSlices, at least half of them past parsing: no crash, and no service port ' +
      'leads from or to what they do not name',
    command: bun(
      'conformance/fuzz/main.ts',
      ...['--target', 'service', '--target', 'slice', '--inputs', '550000', '--seed', '3'],
    ),
    keep: 5,
  },
  {
    name: 'power-cuts',
    claim:
      'the pool of the local driver as a disk would hold it at two hundred random moments of its work: each passes fsck, and a driver ' +
      'that starts there has every volume that was acknowledged, with what was written to it and flushed',
    command: ['env', 'UNDERPOD_POWER_CUTS=200', ...bun('scripts/test.ts', 'ci', 'conformance/csi/power-cut')],
    keep: 10,
  },
  {
    name: 'test',
    claim: '`make test`, in at most five minutes',
    command: ['timeout', '300', 'make', 'test'],
    keep: 8,
  },
  {
    name: 'containerd',
    claim:
      "pods of Debian 12's containerd and of a current one, with both chains that install writes: addresses, host ports, " +
      'a restart, and nothing left',
    command: ['env', 'UNDERPOD_BUILD_RUNTIMES=1', ...bun('scripts/test.ts', 'ci', 'conformance/containerd')],
    keep: 30,
  },
  {
    name: 'peers',
    claim: "Kubernetes' programs and flanneld, built from nothing but Go's cache",
    command: bun('conformance/peers.ts', '--all'),
    keep: 4,
  },
  {
    name: 'interop',
    claim:
      'a real flanneld and our agent in one network, on etcd and on Kubernetes, IPv4 and dual stack: every path, the same bytes ' +
      'in the store, the same state of the kernel but for what is listed, and a change-over under traffic',
    command: ['env', 'UNDERPOD_INTEROP=all', ...bun('scripts/test.ts', 'ci', 'conformance/interop')],
    keep: 60,
  },
  {
    name: 'cluster',
    claim:
      'a whole cluster, of scheduler, controllers, kubelets and containerd, with our manifests: nodes turn ready, pods reach one ' +
      'another, host ports, a rolling restart under traffic, a power cut, nothing left of deleted pods, a node that joins ' +
      'again; the change-over from a flannel with its DaemonSet, node by node and back; and local volumes: a StatefulSet, a restart ' +
      'of kubelet and driver, expansion, a snapshot and what is restored from it, inline volumes',
    command: [
      'env',
      'UNDERPOD_BUILD_RUNTIMES=1',
      ...bun(
        'scripts/test.ts',
        'soak',
        '--reporter=verbose',
        '--no-file-parallelism',
        'conformance/kubernetes/cluster',
      ),
    ],
    keep: 30,
  },
  {
    name: 'vm-proxy-flood',
    claim:
      'the same flood under the kernel of Debian 12, as fast as an emulated processor is: a million packets that each open a ' +
      'connection while endpoints go, and none without an endpoint',
    command: bun(
      'conformance/vm/main.ts',
      '--timeout=5400',
      'node_modules/.bin/bun conformance/proxy/packets/flood-main.ts --removals 300 --packets 1000000 --seconds 5000',
    ),
    keep: 3,
  },
  {
    name: 'vm-services-ipvs',
    claim:
      "mode ipvs beside kube-proxy's on one real API server, under the kernel of Debian 12: how many times what kube-proxy takes, " +
      'since an emulated processor says nothing of time itself',
    command: bun(
      'conformance/vm/main.ts',
      ...['--timeout=5400', '--memory=6144'],
      'node_modules/.bin/bun --bun conformance/bench/main.ts services-ipvs',
    ),
    keep: 8,
  },
  {
    name: 'vm',
    claim:
      'the same executable, the kernel tests and the lab under the kernels of Debian 12 and of Debian 11',
    command: bun('conformance/vm/main.ts', '--all'),
    keep: 60,
  },
];

/** What a run of one step gave. */
interface Outcome {
  readonly name: string;
  readonly ok: boolean;
  readonly seconds: number;
  /** The last lines. */
  readonly output: string;
  readonly date: string;
  readonly commit: string;
  readonly machine: string;
}

/** Where outcomes wait to be put together; build/ is not committed, the document is. */
const outcomes = join(root, 'build/soak');
const outcomePath = (name: string): string => join(outcomes, `${name}.json`);

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character starts a terminal's colour codes
const colours = /\u001b\[[0-9;]*m/g;

function run(step: Step): Outcome {
  process.stdout.write(`── ${step.name}: ${step.command.join(' ')}\n`);
  const start = Date.now();
  const child = spawnSync(step.command[0] ?? '', step.command.slice(1), {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // Where the checkout lies is nobody's business.
  const output = (child.stdout ?? '').replace(colours, '').replaceAll(root, '.').trimEnd();
  process.stdout.write(`${output}\n`);
  const outcome: Outcome = {
    name: step.name,
    ok: child.status === 0,
    seconds: (Date.now() - start) / 1000,
    output: output.split('\n').slice(-step.keep).join('\n'),
    date: new Date().toISOString().slice(0, 10),
    commit: spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).stdout.trim(),
    machine: machine(),
  };
  writeFileSync(outcomePath(step.name), JSON.stringify(outcome));
  return outcome;
}

function machine(): string {
  const model = cpus()[0]?.model ?? 'unknown processor';
  const memory = Math.round(totalmem() / 2 ** 30);
  const release = readFileSync('/etc/os-release', 'utf8').match(/^PRETTY_NAME="(.*)"$/m)?.[1] ?? 'Linux';
  return `${cpus().length} × ${model}, ${memory} GiB, ${release}, kernel ${uname().release}`;
}

/** A step's section: of what it gave here, or what the document had of another checkout. */
function section(step: Step, before: string): string {
  if (!existsSync(outcomePath(step.name))) {
    const kept = before.split(/^(?=## )/m).find((text) => text.startsWith(`## ${step.name}: `));
    return kept === undefined ? `## ${step.name}: not run\n\n${step.claim}.\n` : `${kept.trimEnd()}\n`;
  }
  const outcome = JSON.parse(readFileSync(outcomePath(step.name), 'utf8')) as Outcome;
  const { ok, seconds, output, date, commit } = outcome;
  return `## ${step.name}: ${ok ? 'holds' : 'DOES NOT HOLD'}

${step.claim}.

${date}, commit ${commit}, ${outcome.machine}; ${seconds.toFixed(0)} s:

\`\`\`
$ ${step.command.join(' ')}
${output}
\`\`\`
`;
}

function main(names: readonly string[]): number {
  const unknown = names.filter((name) => !steps.some((step) => step.name === name));
  if (unknown.length > 0) {
    const known = steps.map((step) => step.name).join(', ');
    process.stderr.write(`soak: no step ${unknown.join(', ')}; there are ${known}\n`);
    return 2;
  }
  mkdirSync(outcomes, { recursive: true });
  const chosen = names.length > 0 ? steps.filter((step) => names.includes(step.name)) : steps;
  const failed = chosen.map(run).filter((outcome) => !outcome.ok).length;
  const title = '# The full figures\n\nWritten by `make soak`: what each of its steps printed last.\n';
  const document = join(root, 'docs/soak.md');
  const before = readFileSync(document, 'utf8');
  writeFileSync(document, [title, ...steps.map((step) => section(step, before))].join('\n'));
  process.stdout.write(`${chosen.length - failed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
