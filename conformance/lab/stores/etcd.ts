/** etcd on the underlay, with certificates on both sides. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { etcdProgram } from '../../etcd/program.ts';
import { Etcd } from '../../etcd/server.ts';
import { controlAddress, families } from '../addresses.ts';
import type { LabNode } from '../node.ts';
import { type LabStore, NET_CONF, type ServerAct, type StoreContext } from './store.ts';

/** etcd's own port for clients. */
const PORT = 2379;
/** flannel's, so that one need not be given. */
const PREFIX = '/coreos.com/network';
const PKI = '/etc/underpod/etcd';

interface Written {
  readonly PublicIP?: string;
  readonly PublicIPv6?: string;
}

export class EtcdStore implements LabStore {
  readonly flags: readonly string[];
  readonly look: string = `keys below ${PREFIX}/subnets in etcd`;
  readonly #context: StoreContext;
  readonly #address: string;
  #etcd: Etcd | undefined;

  constructor(context: StoreContext) {
    this.#context = context;
    const [family = 4] = families(context.options.ipv);
    this.#address = controlAddress(family).address;
    const host = family === 4 ? this.#address : `[${this.#address}]`;
    this.flags = [
      `--etcd-endpoints=https://${host}:${PORT}`,
      ...[`--etcd-cafile=${PKI}/ca.crt`, `--etcd-certfile=${PKI}/client.crt`],
      `--etcd-keyfile=${PKI}/client.key`,
    ];
  }

  get etcd(): Etcd {
    if (this.#etcd === undefined) throw new Error('etcd has not been started');
    return this.#etcd;
  }

  async start(): Promise<void> {
    const program = etcdProgram();
    if (program === undefined) throw new Error('etcd is missing');
    const { directory, netConf } = this.#context;
    this.#etcd = await Etcd.start({ program, directory, address: this.#address, port: PORT, tls: true });
    await this.#etcd.put(`${PREFIX}/config`, netConf);
  }

  async prepare(node: LabNode): Promise<void> {
    const { authority, client } = this.etcd;
    const to = node.path(PKI);
    mkdirSync(to, { recursive: true });
    copyFileSync(authority?.certFile ?? '', `${to}/ca.crt`);
    copyFileSync(client?.certFile ?? '', `${to}/client.crt`);
    copyFileSync(client?.keyFile ?? '', `${to}/client.key`);
    // Its flag has a default that leads elsewhere; nobody reads it.
    writeFileSync(node.path(NET_CONF), this.#context.netConf);
  }

  /** A lease's own key names no node: it is known by its address. */
  async remove(node: LabNode): Promise<void> {
    const own = new Set(families(this.#context.options.ipv).map((family) => node.address(family)));
    for (const { key, value, lease } of await this.etcd.list(`${PREFIX}/subnets/`)) {
      const { PublicIP = '', PublicIPv6 = '' } = JSON.parse(value) as Written;
      if (!own.has(PublicIP) && !own.has(PublicIPv6)) continue;
      if (lease === '0') await this.etcd.delete(key);
      else await this.etcd.revoke(lease);
    }
  }

  async dump(): Promise<Record<string, unknown>> {
    const entries = await this.etcd.list(`${PREFIX}/`);
    return Object.fromEntries(
      await Promise.all(
        entries.map(async ({ key, value, lease }) => {
          const seconds = lease === '0' ? undefined : (await this.etcd.lease(lease)).granted;
          return [key, { value, seconds }];
        }),
      ),
    );
  }

  async act(what: ServerAct): Promise<void> {
    await this.etcd.daemon[what]();
  }
}
