/**
 * A probe: one process in a pod's, a node's or the outside host's network namespace. It serves the others and takes
 * the lab's requests on stdin, so that a check costs no process start. It ends when its stdin does.
 */
import { ping, ready, tcp, transfer, udp } from './client.ts';
import { Flows } from './flows.ts';
import type { Envelope, ProbeRequest, Reply } from './protocol.ts';
import { listen, type Sightings } from './server.ts';
import { Stream } from './stream.ts';

let stream: Stream | undefined;
let flows: Flows | undefined;

async function perform(request: ProbeRequest, sightings: Sightings): Promise<unknown> {
  switch (request.op) {
    case 'tcp':
      return tcp(request.host, request.timeout, request.port);
    case 'udp':
      return udp(request.host, request.nonce, request.timeout);
    case 'transfer':
      return transfer(request.host, request.bytes, request.seed, request.timeout);
    case 'ping':
      return ping(request.host, request.size, request.timeout);
    case 'stream':
      stream = new Stream(request.host, request.interval);
      return {};
    case 'streamed':
      if (stream === undefined) throw new Error('no stream is running');
      await stream.more(request.count, request.timeout);
      return {};
    case 'stopStream': {
      const stopped = await stream?.stop(request.drain);
      stream = undefined;
      return stopped;
    }
    case 'flows':
      flows = new Flows(request.hosts, request.connections, request.interval);
      return {};
    case 'flowed':
      if (flows === undefined) throw new Error('no flows are running');
      return flows.section(request.drain);
    case 'stopFlows':
      flows?.stop();
      flows = undefined;
      return {};
    case 'saw': {
      const from = await sightings.wait(request.nonce, request.timeout);
      if (from === undefined) throw new Error(`the datagram did not arrive within ${request.timeout} ms`);
      return { from };
    }
    case 'ready':
      return ready(request.url, request.timeout);
    default:
      return request satisfies never;
  }
}

function reply(message: Reply): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

async function answer(envelope: Envelope, sightings: Sightings): Promise<void> {
  try {
    reply({ id: envelope.id, answer: await perform(envelope, sightings) });
  } catch (error) {
    reply({ id: envelope.id, error: error instanceof Error ? error.message : String(error) });
  }
}

const sightings = await listen();
// Reply number 0 tells that the servers listen.
reply({ id: 0, answer: {} });
let rest = '';
for await (const chunk of Bun.stdin.stream()) {
  const lines = (rest + new TextDecoder().decode(chunk)).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) void answer(JSON.parse(line) as Envelope, sightings);
}
process.exit(0);
