/**
 * Servers on many addresses, as so many pods: each line that comes goes back with the server's name. Run in the pods'
 * namespace. Takes `listen NAME ADDRESS PORT` and `end NAME` (as a pod that ends in order: nobody new, and FIN to everybody after the next answer) on stdin,
 * and answers each with a line.
 */

import { writeSync } from 'node:fs';
import type { TCPSocketListener } from 'bun';

interface Served {
  readonly pod: Pod;
  rest: string;
}

interface Pod {
  readonly name: string;
  isEnding: boolean;
}

const pods = new Map<string, { readonly pod: Pod; readonly listener: TCPSocketListener<Served> }>();

function listen(name: string, address: string, port: number): void {
  const pod = { name, isEnding: false };
  const listener = Bun.listen<Served>({
    hostname: address,
    port,
    socket: {
      open: (socket) => {
        socket.data = { pod, rest: '' };
      },
      data: (socket, bytes) => {
        const words = (socket.data.rest + bytes.toString('latin1')).split('\n');
        socket.data.rest = words.pop() ?? '';
        socket.write(words.map((word) => `${word} ${name}\n`).join(''));
        // Between two words nothing is under way, which a socket that closes would answer with a reset.
        if (pod.isEnding) socket.end();
      },
      error: () => {},
    },
  });
  pods.set(name, { pod, listener });
}

function end(name: string): void {
  const found = pods.get(name);
  if (found === undefined) return;
  pods.delete(name);
  found.listener.stop();
  found.pod.isEnding = true;
}

let rest = '';
for await (const chunk of Bun.stdin.stream()) {
  const lines = (rest + new TextDecoder().decode(chunk)).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) {
    const [what, name = '', address = '', port] = line.split(' ');
    if (what === 'listen') listen(name, address, Number(port));
    else end(name);
    writeSync(1, 'done\n');
  }
}
process.exit(0);
