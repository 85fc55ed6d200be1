/**
 * A control plane for tests and the lab: Debian's etcd and a real kube-apiserver, with RBAC, certificates and service
 * accounts as a cluster has them. No controllers: tests create nodes, as a kubelet and the controller manager would.
 */

import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { etcdProgram } from '../etcd/program.ts';
import { Etcd } from '../etcd/server.ts';
import { Authority, type KeyPair } from '../testing/certificates.ts';
import { TestDaemon } from '../testing/daemon.ts';
import { freePort } from '../testing/free-port.ts';
import { type Credentials, KubeApi, type KubeObject } from './api.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { kubernetesMissing, kubernetesProgram } from './programs.ts';

export interface ControlPlaneOptions {
  /** For data, certificates and logs; is made. */
  readonly directory: string;
  /** Where the API server listens; default 127.0.0.1. */
  readonly address?: string;
  /** Default: one that is free. */
  readonly port?: number;
  /** See `DaemonOptions.enter`. The addresses must be reachable from here, too. */
  readonly enter?: readonly string[];
  /** Further flags of the API server. */
  readonly flags?: readonly string[];
  /** Whether there are kubelets, which it asks for logs and to which it hands on `kubectl exec`. */
  readonly kubelets?: boolean;
}

/** A node as kubelet and controller manager leave it. */
export interface NewNode {
  readonly name: string;
  readonly podCidrs: readonly string[];
  /** InternalIP. */
  readonly addresses: readonly string[];
  /** Default: what every kubelet writes. flanneld panics over a node without any. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What a kubelet says of itself. */
const KUBELETS = { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' };

/** One rule of a role, as rbac.authorization.k8s.io/v1 has it. */
export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly namespace?: string };
}

const RBAC = '/apis/rbac.authorization.k8s.io/v1';

/** Where objects of a kind are created. */
const COLLECTIONS: Readonly<Record<string, (namespace: string) => string>> = {
  Namespace: () => '/api/v1/namespaces',
  ServiceAccount: (namespace) => `/api/v1/namespaces/${namespace}/serviceaccounts`,
  ConfigMap: (namespace) => `/api/v1/namespaces/${namespace}/configmaps`,
  ClusterRole: () => `${RBAC}/clusterroles`,
  ClusterRoleBinding: () => `${RBAC}/clusterrolebindings`,
  DaemonSet: (namespace) => `/apis/apps/v1/namespaces/${namespace}/daemonsets`,
};

/** From start to ready it takes 3 s on an idle machine of two cores. */
const START_LIMIT_MS = 30_000;

/** Why a control plane cannot be started here; `undefined` if it can. */
export function controlPlaneMissing(): string | undefined {
  return kubernetesMissing('kube-apiserver') ?? (etcdProgram() === undefined ? 'etcd is missing' : undefined);
}

export class ControlPlane implements AsyncDisposable {
  readonly url: string;
  readonly authority: Authority;
  readonly etcd: Etcd;
  readonly apiserver: TestDaemon;
  /** Certificate of system:masters. */
  readonly adminKeys: KeyPair;
  readonly admin: KubeApi;
  /** The key of service accounts' tokens, which the controller manager has, too. */
  readonly serviceAccountKey: string;
  readonly #directory: string;

  private constructor(options: ControlPlaneOptions, etcd: Etcd, address: string, port: number) {
    const { directory, enter, flags = [], kubelets = false } = options;
    const pki = `${directory}/pki`;
    this.#directory = directory;
    this.etcd = etcd;
    this.url = `https://${address.includes(':') ? `[${address}]` : address}:${port}`;
    this.authority = new Authority(pki, 'cluster of a test');
    const hosts = [address, 'localhost', '127.0.0.1', 'kubernetes.default.svc', '10.96.0.1'];
    const server = this.authority.issue('apiserver', { commonName: 'kube-apiserver', hosts });
    this.adminKeys = this.clientCertificate('admin', 'system:masters');
    this.admin = this.as(this.adminKeys);
    const accounts = `${pki}/service-accounts.key`;
    this.serviceAccountKey = accounts;
    writeFileSync(accounts, newKey(), { mode: 0o600 });
    this.apiserver = new TestDaemon({
      name: 'kube-apiserver',
      command: [
        kubernetesProgram('kube-apiserver'),
        `--etcd-servers=${etcd.endpoint}`,
        ...[`--bind-address=${address}`, `--advertise-address=${address}`, `--secure-port=${port}`],
        // Nobody looks for it by its service, whose endpoint could not be an address of loopback.
        '--endpoint-reconciler-type=none',
        ...[`--tls-cert-file=${server.certFile}`, `--tls-private-key-file=${server.keyFile}`],
        `--client-ca-file=${this.authority.certFile}`,
        `--cert-dir=${directory}/run`,
        '--authorization-mode=Node,RBAC',
        '--service-account-issuer=https://kubernetes.default.svc',
        ...[`--service-account-key-file=${accounts}`, `--service-account-signing-key-file=${accounts}`],
        '--service-cluster-ip-range=10.96.0.0/16',
        '--allow-privileged=true',
        ...(kubelets ? kubeletFlags(this.adminKeys) : []),
        ...flags,
      ],
      log: `${directory}/apiserver.log`,
      ...(enter && { enter }),
      startLimitMs: START_LIMIT_MS,
      ready: async () => {
        await this.admin.get('/readyz');
      },
    });
  }

  /** Starts both. @throws Error with the end of the log of the one that does not come up */
  static async start(options: ControlPlaneOptions): Promise<ControlPlane> {
    const { directory, address = '127.0.0.1', enter } = options;
    const program = etcdProgram();
    if (program === undefined) throw new Error('etcd is missing');
    mkdirSync(directory, { recursive: true });
    const etcd = await Etcd.start({ program, directory: `${directory}/etcd`, ...(enter && { enter }) });
    const plane = new ControlPlane(options, etcd, address, options.port ?? (await freePort(address)));
    try {
      await plane.apiserver.start();
      return plane;
    } catch (error) {
      await plane[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The API as somebody sees it. */
  as(credentials: Credentials): KubeApi {
    return new KubeApi(this.url, this.authority.cert, credentials);
  }

  /** A user's certificate. */
  clientCertificate(user: string, group?: string, days?: number): KeyPair {
    return this.authority.issue(`user-${user.replaceAll(':', '-')}`, {
      commonName: user,
      ...(group !== undefined && { organization: group }),
      ...(days !== undefined && { days }),
    });
  }

  /** Writes a kubeconfig for somebody. @returns its path */
  kubeconfig(name: string, credentials: Credentials): string {
    const path = `${this.#directory}/${name}.kubeconfig`;
    writeKubeconfig(path, { url: this.url, ca: this.authority.cert, credentials });
    return path;
  }

  /** Makes a service account that may do what the rules say in the whole cluster. */
  async createServiceAccount(namespace: string, name: string, rules: readonly PolicyRule[]): Promise<void> {
    await this.admin.ensure('/api/v1/namespaces', { metadata: { name: namespace } });
    await this.admin.ensure(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name } });
    await this.admin.ensure(`${RBAC}/clusterroles`, { metadata: { name }, rules });
    await this.admin.ensure(`${RBAC}/clusterrolebindings`, {
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    });
  }

  /** Creates what a manifest says, as `kubectl apply` would in a cluster that has none of it. @throws Error for other kinds */
  async apply(file: string): Promise<void> {
    const parsed = Bun.YAML.parse(readFileSync(file, 'utf8')) as Manifest | Manifest[];
    for (const object of [parsed].flat()) {
      const path = COLLECTIONS[object.kind];
      if (path === undefined) throw new Error(`${file}: no kind ${object.kind} here`);
      await this.admin.ensure(path(object.metadata.namespace ?? 'default'), object);
    }
  }

  /** A token of a service account, as a pod gets it. @param seconds how long it holds, at least 600 */
  async token(namespace: string, name: string, seconds = 3600): Promise<string> {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const body = { spec: { expirationSeconds: seconds } };
    const { status } = await this.admin.post<{ status: { token: string } }>(path, body);
    return status.token;
  }

  /** Creates a node as kubelet and controller manager would. */
  async createNode({ name, podCidrs, addresses, annotations = KUBELETS }: NewNode): Promise<KubeObject> {
    const [podCIDR] = podCidrs;
    await this.admin.post('/api/v1/nodes', {
      metadata: {
        name,
        annotations,
        labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux' },
      },
      spec: podCIDR === undefined ? {} : { podCIDR, podCIDRs: podCidrs },
    });
    return this.admin.patch(`/api/v1/nodes/${name}/status`, {
      status: {
        addresses: [
          ...addresses.map((address) => ({ type: 'InternalIP', address })),
          { type: 'Hostname', address: name },
        ],
        // What a kubelet says until a network provider says otherwise.
        conditions: [{ type: 'NetworkUnavailable', status: 'True', reason: 'NoRouteCreated' }],
      },
    });
  }

  node(name: string): Promise<KubeObject> {
    return this.admin.get(`/api/v1/nodes/${name}`);
  }

  async deleteNode(name: string): Promise<void> {
    await this.admin.delete(`/api/v1/nodes/${name}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.apiserver.kill();
    await this.etcd.daemon.kill();
  }
}

function newKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'sec1', format: 'pem' }).toString();
}

/** As kubeadm has it: nodes' names need no resolver. */
function kubeletFlags({ certFile, keyFile }: KeyPair): string[] {
  return [
    `--kubelet-client-certificate=${certFile}`,
    `--kubelet-client-key=${keyFile}`,
    '--kubelet-preferred-address-types=InternalIP,Hostname',
  ];
}
