/**
 * What pods on two nodes get out of the network that each agent builds: our agent and flanneld in turns on both nodes of
 * one lab, the pods and their addresses being the same.
 */

import { flanneldMissing } from '../flannel/programs.ts';
import { LabUnderTest, labsAvailable } from '../lab/lab-under-test.ts';
import { type Figure, median } from './figure.ts';

const BACKENDS = ['vxlan', 'host-gw'] as const;
const PROGRAMS = ['underpod', 'flanneld'] as const;
type Program = (typeof PROGRAMS)[number];

const SENDER = 'pod1a';
const RECEIVER = 'pod2a';
/**
 * One TCP connection sends for so long (s). On two processors sender, receiver and tunnel want all there is: what a daemon
 * does in its first seconds would be measured, not the network that it made.
 */
const SECONDS = 4;
const SETTLED = 3000;
/** Round trips, one after the other. */
const PINGS = 20_000;
/** Ours must reach this share of what flanneld's network does. */
const SHARE = 0.97;

interface Sample {
  /** Milliseconds that a GiB takes by TCP. */
  readonly gib: number;
  /** Milliseconds from a question to the next, which follows the answer at once. */
  readonly roundTrip: number;
}

/** What is read of a report; one of a connection that was refused has an error, and exit code 0. */
interface IperfReport {
  readonly end: { readonly sum_received?: { readonly bits_per_second: number } };
  readonly error?: string;
}

/** A command in a pod, as a person would run it with `make shell`. */
function inPod(
  lab: LabUnderTest,
  node: number,
  pod: string,
  ...argv: string[]
): Bun.Subprocess<'ignore', 'pipe', 'pipe'> {
  return lab.spawn('shell', String(node), '--', 'ip', 'netns', 'exec', pod, ...argv);
}

async function output(child: Bun.Subprocess<'ignore', 'pipe', 'pipe'>): Promise<string> {
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`exit code ${code}: ${err}${out}`);
  return out;
}

async function addressOf(lab: LabUnderTest, node: number, pod: string): Promise<string> {
  const text = await output(inPod(lab, node, pod, 'ip', '-j', '-4', 'address', 'show', 'dev', 'eth0'));
  const [link] = JSON.parse(text) as { addr_info: { local: string }[] }[];
  const address = link?.addr_info[0]?.local;
  if (address === undefined) throw new Error(`${pod} has no IPv4 address`);
  return address;
}

async function measure(lab: LabUnderTest, address: string): Promise<Sample> {
  const server = inPod(lab, 2, RECEIVER, 'iperf3', '--server', '--one-off', '--json');
  // Its JSON comes at the end: whether it listens is found out by asking.
  let rate: number | undefined;
  for (let attempt = 0; rate === undefined; attempt += 1) {
    const client = inPod(lab, 1, SENDER, 'iperf3', '--client', address, '--time', String(SECONDS), '--json');
    const { end, error } = JSON.parse(await client.stdout.text()) as IperfReport;
    if (error === undefined) rate = end.sum_received?.bits_per_second;
    else if (attempt === 20) throw new Error(`iperf3: ${error}`);
    else await Bun.sleep(100);
  }
  await output(server);
  const pings = await output(inPod(lab, 1, SENDER, 'ping', '-f', '-q', '-c', String(PINGS), address));
  const total = /, time (\d+)ms/.exec(pings)?.[1];
  if (total === undefined) throw new Error(`ping said ${pings}`);
  return { gib: (8 * 2 ** 30 * 1000) / rate, roundTrip: Number(total) / PINGS };
}

/** Both backends, `rounds` runs of each side, in turn. */
export async function benchThroughput(rounds: number): Promise<Figure[]> {
  const missing = flanneldMissing();
  if (missing !== undefined || Bun.which('iperf3') === null) {
    process.stderr.write(`no figures of throughput: ${missing ?? 'iperf3 is missing'}\n`);
    return [];
  }
  if (!labsAvailable()) return [];
  const figures: Figure[] = [];
  for (const backend of BACKENDS) {
    await using lab = new LabUnderTest(`throughput-${backend}`);
    await lab.up('--nodes', '2', '--ipv', '4', '--firewall', 'none', '--store', 'etcd', '--backend', backend);
    const address = await addressOf(lab, 2, RECEIVER);
    const samples: Record<Program, Sample[]> = { underpod: [], flanneld: [] };
    for (let round = -1; round < rounds; round += 1) {
      for (const program of round % 2 === 0 ? PROGRAMS : PROGRAMS.toReversed()) {
        for (const node of ['1', '2']) await lab.must('agent', node, program);
        await Bun.sleep(SETTLED);
        const sample = await measure(lab, address);
        if (round >= 0) samples[program].push(sample);
      }
    }
    const figure = (name: string, value: (sample: Sample) => number): Figure => {
      const peer = median(samples.flanneld.map(value));
      const ours = median(samples.underpod.map(value));
      return { name: `${backend}: ${name}`, ours, peer, budget: peer / SHARE, rounds };
    };
    figures.push(
      figure('1 GiB by TCP, pod to pod on another node', ({ gib }) => gib),
      figure('a round trip, pod to pod on another node', ({ roundTrip }) => roundTrip),
    );
  }
  return figures;
}
