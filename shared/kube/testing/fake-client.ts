/** Clients of a fake API server. */

import type { AccessSource } from '../access/access.ts';
import { KubeClient } from '../client.ts';
import { type KubeClock, systemClock } from '../clock.ts';
import type { FakeApiServer } from './fake-api-server.ts';

/** Plain HTTP, and the token that the server asks for at the moment. */
export function accessTo(server: FakeApiServer): AccessSource {
  return {
    server: server.url,
    current: () =>
      Promise.resolve({
        server: server.url,
        headers: server.token === undefined ? {} : { authorization: `Bearer ${server.token}` },
      }),
    refused: () => {},
  };
}

export function clientOf(server: FakeApiServer, clock: KubeClock = systemClock): KubeClient {
  return new KubeClient({ access: accessTo(server), clock, userAgent: 'test', random: () => 0.5 });
}
