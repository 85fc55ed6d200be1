/** An etcd of one member for a test or the lab, in memory where its directory is. */

import { readFileSync } from 'node:fs';
import { Authority, type KeyPair } from '../testing/certificates.ts';
import { TestDaemon } from '../testing/daemon.ts';
import { freePort } from '../testing/free-port.ts';
import { slowness } from '../testing/slowness.ts';

export interface EtcdOptions {
  /** See `etcdProgram`. */
  readonly program: string;
  /** For its data, certificates and log; is made. */
  readonly directory: string;
  /** Default 127.0.0.1. */
  readonly address?: string;
  /** Default: one that is free; 2379 is etcd's own. */
  readonly port?: number;
  /** With certificates, which clients must have as well. */
  readonly tls?: boolean;
  /** See `DaemonOptions.enter`. The address must be reachable from here, too. */
  readonly enter?: readonly string[];
  /** Further flags, such as `--quota-backend-bytes=…`. */
  readonly flags?: readonly string[];
}

/** From start to the first answer it takes 100 ms. */
const START_LIMIT_MS = 10_000;

export class Etcd implements AsyncDisposable {
  readonly endpoint: string;
  /** The authority of both sides' certificates, with `tls`. */
  readonly authority: Authority | undefined;
  /** A client's certificate, with `tls`. */
  readonly client: KeyPair | undefined;
  readonly daemon: TestDaemon;

  private constructor(options: EtcdOptions, address: string, port: number, peerPort: number) {
    const { program, directory, enter, flags = [], tls = false } = options;
    const host = address.includes(':') ? `[${address}]` : address;
    const scheme = tls ? 'https' : 'http';
    this.endpoint = `${scheme}://${host}:${port}`;
    let secured: string[] = [];
    if (tls) {
      this.authority = new Authority(`${directory}/pki`, 'etcd of a test');
      const hosts = [address, 'localhost', '127.0.0.1'];
      const server = this.authority.issue('server', { commonName: 'etcd', hosts });
      this.client = this.authority.issue('client', { commonName: 'client' });
      secured = [
        ...[`--cert-file=${server.certFile}`, `--key-file=${server.keyFile}`],
        ...[`--trusted-ca-file=${this.authority.certFile}`, '--client-cert-auth'],
      ];
    }
    // Peers there are none; it listens for them all the same.
    const peers = `http://127.0.0.1:${peerPort}`;
    this.daemon = new TestDaemon({
      name: 'etcd',
      command: [
        program,
        `--data-dir=${directory}/data`,
        ...[`--listen-client-urls=${this.endpoint}`, `--advertise-client-urls=${this.endpoint}`],
        ...[`--listen-peer-urls=${peers}`, `--initial-advertise-peer-urls=${peers}`],
        `--initial-cluster=default=${peers}`,
        '--logger=zap',
        // A test's data may be lost with the machine.
        '--unsafe-no-fsync',
        ...secured,
        ...flags,
      ],
      log: `${directory}/etcd.log`,
      ...(enter && { enter }),
      startLimitMs: START_LIMIT_MS,
      ready: async () => {
        await this.call('kv/range', { key: base64('none') });
      },
    });
  }

  /** Starts one. */
  static async start(options: EtcdOptions): Promise<Etcd> {
    const { address = '127.0.0.1' } = options;
    const port = options.port ?? (await freePort(address));
    let peerPort = await freePort();
    // What is free may be given out twice.
    while (peerPort === port) peerPort = await freePort();
    const etcd = new Etcd(options, address, port, peerPort);
    await etcd.daemon.start();
    return etcd;
  }

  /** Sets a key. */
  async put(key: string, value: string, lease?: string): Promise<void> {
    await this.call('kv/put', {
      key: base64(key),
      value: Buffer.from(value).toString('base64'),
      ...(lease && { lease }),
    });
  }

  /** All keys that begin with `prefix`, with their values and leases (0: none). */
  async list(prefix: string): Promise<{ key: string; value: string; lease: string }[]> {
    const { kvs = [] } = await this.call<{ kvs?: { key: string; value?: string; lease?: string }[] }>(
      'kv/range',
      { key: base64(prefix), range_end: base64(`${prefix}\xff`) },
    );
    return kvs.map(({ key, value = '', lease = '0' }) => ({
      key: text(key),
      value: text(value),
      lease,
    }));
  }

  /** Removes all keys that begin with `prefix`. */
  async delete(prefix: string): Promise<void> {
    await this.call('kv/deleterange', { key: base64(prefix), range_end: base64(`${prefix}\xff`) });
  }

  /** Ends a lease and the keys that hang on it. */
  async revoke(lease: string): Promise<void> {
    await this.call('kv/lease/revoke', { ID: lease });
  }

  /** Seconds that a lease was granted, and that are left. */
  async lease(id: string): Promise<{ granted: number; left: number }> {
    const { grantedTTL, TTL } = await this.call<{ grantedTTL: string; TTL: string }>('kv/lease/timetolive', {
      ID: id,
    });
    return { granted: Number(grantedTTL), left: Number(TTL) };
  }

  /** One call of etcd's JSON gateway, a second pair of eyes beside gRPC. @throws Error with etcd's message */
  async call<T>(method: string, body: object): Promise<T> {
    const response = await fetch(`${this.endpoint}/v3/${method}`, {
      method: 'POST',
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(5_000 * slowness),
      ...(this.client && {
        tls: {
          ca: this.authority?.cert ?? '',
          cert: readFileSync(this.client.certFile, 'utf8'),
          key: readFileSync(this.client.keyFile, 'utf8'),
        },
      }),
    } as RequestInit);
    const answer = (await response.json()) as T & { message?: string };
    if (!response.ok) throw new Error(`etcd: ${method}: ${answer.message ?? response.status}`);
    return answer;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.daemon.kill();
  }
}

function base64(value: string): string {
  return Buffer.from(value, 'latin1').toString('base64');
}

function text(value: string): string {
  return Buffer.from(value, 'base64').toString('utf8');
}
