/** Serves a driver on its socket. */

import { RpcServer } from '../../shared/grpc/server.ts';
import type { GuardedCalls } from './calls.ts';

/** How long calls that run have to end when the driver stops, in ms: what is left half done the next start goes on with. */
const GRACE = 5000;

/** Serves until it is disposed. @param socket a path @throws Error when somebody listens there already */
export async function serveDriver(calls: GuardedCalls, socket: string): Promise<AsyncDisposable> {
  const server = new RpcServer();
  for (const [name, method] of calls.methods)
    server.unary(method, (request, { signal }) => calls.run(name, method, request, signal));
  await server.listen(socket);
  return { [Symbol.asyncDispose]: () => server.stop(GRACE) };
}
