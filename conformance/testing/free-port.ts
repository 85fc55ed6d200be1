/** A TCP port that nobody listens on, in this process's network namespace. */

import { createServer } from 'node:net';

/** Another process may take it meanwhile: for servers that cannot be told to choose one themselves. */
export async function freePort(address = '127.0.0.1'): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, address, resolve);
  });
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
