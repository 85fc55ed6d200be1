/**
 * Servers on many addresses, as so many pods: each line that comes goes back with the server's own address. Run in the pods'
 * namespace. Takes `listen ADDRESS PORT` and `end ADDRESS` (as a pod that ends in order: nobody new, then FIN to all) on stdin, and
 * answers each with a line.
 */

import { writeSync } from 'node:fs';
import type { Socket, TCPSocketListener } from 'bun';

interface Served {
  readonly address: string;
  rest: string;
}

interface Pod {
  readonly listener: TCPSocketListener<Served>;
  readonly open: Set<Socket<Served>>;
}

const pods = new Map<string, Pod>();

function listen(address: string, port: number): void {
  const open = new Set<Socket<Served>>();
  const listener = Bun.listen<Served>({
    hostname: address,
    port,
    socket: {
      open: (socket) => {
        socket.data = { address, rest: '' };
        open.add(socket);
      },
      data: (socket, bytes) => {
        const words = (socket.data.rest + bytes.toString('latin1')).split('\n');
        socket.data.rest = words.pop() ?? '';
        socket.write(words.map((word) => `${word} ${address}\n`).join(''));
      },
      close: (socket) => {
        open.delete(socket);
      },
      error: () => {},
    },
  });
  pods.set(address, { listener, open });
}

function end(address: string): void {
  const pod = pods.get(address);
  pods.delete(address);
  pod?.listener.stop();
  for (const socket of pod?.open ?? []) socket.end();
}

let rest = '';
for await (const chunk of Bun.stdin.stream()) {
  const lines = (rest + new TextDecoder().decode(chunk)).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) {
    const [what, address = '', port] = line.split(' ');
    if (what === 'listen') listen(address, Number(port));
    else end(address);
    writeSync(1, 'done\n');
  }
}
process.exit(0);
