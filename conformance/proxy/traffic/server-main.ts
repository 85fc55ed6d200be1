/**
 * Servers on many addresses, as so many pods: each line that comes goes back with the server's name. Run in the pods'
 * namespace. Takes `listen NAME ADDRESS PORT` and `end NAME` (as a pod that ends in order: nobody new, then FIN to all) on stdin,
 * and answers each with a line.
 */

import { writeSync } from 'node:fs';
import type { Socket, TCPSocketListener } from 'bun';

interface Served {
  readonly name: string;
  rest: string;
}

interface Pod {
  readonly listener: TCPSocketListener<Served>;
  readonly open: Set<Socket<Served>>;
}

const pods = new Map<string, Pod>();

function listen(name: string, address: string, port: number): void {
  const open = new Set<Socket<Served>>();
  const listener = Bun.listen<Served>({
    hostname: address,
    port,
    socket: {
      open: (socket) => {
        socket.data = { name, rest: '' };
        open.add(socket);
      },
      data: (socket, bytes) => {
        const words = (socket.data.rest + bytes.toString('latin1')).split('\n');
        socket.data.rest = words.pop() ?? '';
        socket.write(words.map((word) => `${word} ${name}\n`).join(''));
      },
      close: (socket) => {
        open.delete(socket);
      },
      error: () => {},
    },
  });
  pods.set(name, { listener, open });
}

function end(name: string): void {
  const pod = pods.get(name);
  pods.delete(name);
  pod?.listener.stop();
  for (const socket of pod?.open ?? []) socket.end();
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
