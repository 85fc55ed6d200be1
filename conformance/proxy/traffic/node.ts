/**
 * A node with a proxy, services that roll under traffic, and what may be done to the proxy meanwhile. The API server is a fake
 * one in this process; the proxy, clients and pods are processes of their own.
 */

import { TestApi } from '../../../cni/proxy/testing/api.ts';
import { FakeApiServer } from '../../../shared/kube/testing/fake-api-server.ts';
import type { TestDaemon } from '../../testing/daemon.ts';
import { run, TemporaryDirectory } from '../../testing/netns.ts';
import { ADDRESSES, SERVER_PORT } from '../packets/addresses.ts';
import { Cluster } from '../packets/cluster.ts';
import { inNetns } from './lines.ts';
import { HERE, type Program, type ProxyMode, type ProxySettings, proxyDaemon } from './proxy-program.ts';
import { RollingService, type Site } from './rolling.ts';
import { TrafficServers } from './servers.ts';

/** Addresses of pods on each node, beside the packet tests' own. */
const POOL = 40;

const at = ADDRESSES[4];

/** The frontends that traffic goes to. */
export const WEB = '10.96.0.10';
export const STICKY = '10.96.0.11';
export const CALM = '10.96.0.12';
export const NODE_PORT = 30_080;
/** With `externalTrafficPolicy: Local`. */
export const LOCAL_NODE_PORT = 30_081;

export class TrafficNode implements AsyncDisposable {
  readonly api: TestApi;
  readonly directory: TemporaryDirectory = new TemporaryDirectory();
  readonly #stack = new AsyncDisposableStack();
  readonly #settings: Omit<ProxySettings, 'mode'>;
  readonly #sites: readonly Site[];

  /** Call `freshNetns` before. */
  constructor() {
    const { directory } = this;
    const stack = this.#stack;
    stack.use(directory);
    stack.use(new Cluster());
    const server = stack.use(new FakeApiServer());
    this.api = new TestApi(server);
    this.api.put('Node', HERE, {
      spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] },
      status: { addresses: [{ type: 'InternalIP', address: at.nodeOutside }] },
    });
    this.#sites = (['remote', 'local1'] as const).map((netns) => {
      const prefix = netns === 'remote' ? '10.244.2' : '10.244.1';
      const addresses = Array.from({ length: POOL }, (_, n) => `${prefix}.${100 + n}`);
      for (const address of addresses) {
        run('ip', '-n', netns, 'address', 'add', `${address}/32`, 'dev', 'lo');
        if (netns === 'local1') run('ip', 'route', 'add', address, 'dev', 'veth-local1');
      }
      return {
        nodeName: netns === 'remote' ? 'n2' : HERE,
        servers: stack.use(new TrafficServers(inNetns(netns))),
        addresses,
      };
    });
    this.#settings = { directory: directory.path, server: server.url };
  }

  /** Services that lead to pods that roll, and such whose pods stay. Once. */
  async serve(): Promise<RollingService> {
    const { api } = this;
    const nodePort = (port: number): object => ({ type: 'NodePort', ports: [{ port: 80, nodePort: port }] });
    api.service('web', WEB, nodePort(NODE_PORT));
    api.service('edge', '10.96.0.13', { ...nodePort(LOCAL_NODE_PORT), externalTrafficPolicy: 'Local' });
    api.service('sticky', STICKY, {
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 3600 } },
    });
    api.service('calm', CALM);
    const [remote, local] = this.#sites as readonly [Site, Site];
    const calm = ['10.244.2.201', '10.244.2.202', '10.244.2.203'];
    for (const address of calm) {
      run('ip', '-n', 'remote', 'address', 'add', `${address}/32`, 'dev', 'lo');
      await remote.servers.listen(`calm-${address}`, address, SERVER_PORT);
    }
    api.slice('calm', ...calm);
    api.slice('sticky', ...calm);
    const rolling = new RollingService({
      api,
      services: ['web', 'edge'],
      sites: [remote, local],
      port: SERVER_PORT,
      size: 4,
    });
    await rolling.start();
    return rolling;
  }

  proxy(program: Program, mode: ProxyMode = 'nftables'): TestDaemon {
    return this.#stack.use(proxyDaemon(program, { ...this.#settings, mode }));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
