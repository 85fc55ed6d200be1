/**
 * The image under containerd, as the DaemonSet's pod: what its containers may do there is what the manifest says, so that a
 * capability or a mount that is missing shows.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { version } from '../../package.json' with { type: 'json' };
import { nativeArchitecture, sha256 } from '../../scripts/bun-runtime.ts';
import { buildImage, imagePath, REFERENCE } from '../../scripts/images.ts';
import { type Daemon, startDaemon } from '../containerd/daemon.ts';
import { makeImage } from '../containerd/image.ts';
import { CGROUP } from '../containerd/pods.ts';
import { runtimesToTest } from '../containerd/runtimes.ts';
import { ControlPlane, controlPlaneMissing, type PolicyRule } from '../kubernetes/control-plane.ts';
import { coverWithTmpfs, freshNetns, inUserNamespace, ipJson, nftJson, run } from '../testing/netns.ts';
import { CriPod, waitFor } from './cri-pod.ts';
import {
  type Container,
  type DaemonSet,
  type Manifest,
  manifestsOf,
  only,
  type PodSpec,
} from './manifests.ts';

const runtimes = await runtimesToTest();
const missing = controlPlaneMissing();
if (missing !== undefined) process.stderr.write(`skipped: the image in a cluster: ${missing}\n`);
// Before the test leaves the machine's network, by which the packages come.
const archive =
  runtimes.length > 0 && missing === undefined && !inUserNamespace()
    ? buildImage(nativeArchitecture())
    : undefined;
const available = archive !== undefined && freshNetns();
const [runtime] = runtimes.slice(-1);

const DIRECTORY = '/run/test';
const NODE = `${DIRECTORY}/node`;
const PAUSE = 'docker.io/library/underpod-test:1';
const IMAGE = `docker.io/library/${REFERENCE}`;
const NET_CONF = { Network: '10.244.0.0/16', Backend: { Type: 'vxlan' } };

const AUDIT_LOG = `${DIRECTORY}/audit.log`;

const manifests = manifestsOf('kubeadm');
const manifest: PodSpec = only<DaemonSet>(manifests, 'DaemonSet').spec.template.spec;
const role = only<Manifest & { rules: PolicyRule[] }>(manifests, 'ClusterRole');
const account = only(manifests, 'ServiceAccount').metadata;
const [install] = manifest.initContainers;
const [agentContainer] = manifest.containers;

/**
 * What flannel's own manifest runs, where its images are exchanged for this one: no read-only root, but an unprivileged
 * container that has none of the mounts that ours has.
 */
const flannel = {
  plugin: {
    ...bare('install-cni-plugin', 'cp', '-f', '/flannel', '/opt/cni/bin/flannel'),
    volumeMounts: [{ name: 'cni-bin', mountPath: '/opt/cni/bin' }],
  },
  conf: {
    ...bare(
      'install-cni',
      '/opt/bin/install-conf',
      '/etc/kube-flannel/net-conf.json',
      '/etc/cni/net.d/10-flannel.conflist',
    ),
    volumeMounts: [
      { name: 'cni-conf', mountPath: '/etc/cni/net.d' },
      { name: 'config', mountPath: '/etc/kube-flannel' },
    ],
  },
  agent: {
    ...bare('kube-flannel', '/opt/bin/flanneld', '--ip-masq', '--kube-subnet-mgr', '--healthz-port=8081'),
    env: [{ name: 'POD_NAME' }, { name: 'POD_NAMESPACE' }, { name: 'EVENT_QUEUE_DEPTH', value: '5000' }],
    securityContext: { privileged: false, capabilities: { add: ['NET_ADMIN', 'NET_RAW'] } },
    volumeMounts: ['config', 'subnet-env', 'xtables-lock'].map((name) => ({
      name,
      mountPath: agentContainer.volumeMounts.find((mount) => mount.name === name)?.mountPath ?? '',
    })),
  },
};

/** The rules of flannel's own role: its agent learns its node from its pod. */
const FLANNEL_RULES: readonly PolicyRule[] = [
  { apiGroups: [''], resources: ['pods'], verbs: ['get'] },
  { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] },
  { apiGroups: [''], resources: ['nodes/status'], verbs: ['patch'] },
];

/** Waits for /readyz. @throws Error with the container's log where it does not come */
async function isReady(pod: CriPod, container: Container, url: string): Promise<void> {
  try {
    await waitFor(async () => (await fetch(url).catch(() => undefined))?.ok === true);
  } catch (error) {
    throw new Error(`${url} is not ready: ${pod.log(container)}`, { cause: error });
  }
}

/** What somebody asked of the API server: `list nodes`, `patch nodes/status`. */
function askedBy(user: string): Set<string> {
  const asked = new Set<string>();
  for (const line of readFileSync(AUDIT_LOG, 'utf8').split('\n').filter(Boolean)) {
    const { user: who, verb, objectRef: of } = JSON.parse(line) as AuditEvent;
    if (who.username !== user || !of) continue;
    asked.add(`${verb} ${of.resource}${of.subresource === undefined ? '' : `/${of.subresource}`}`);
  }
  return asked;
}

interface AuditEvent {
  readonly user: { readonly username: string };
  readonly verb: string;
  readonly objectRef?: { readonly resource: string; readonly subresource?: string };
}

/** A container of the image with nothing given to it. */
function bare(name: string, ...command: string[]): Container {
  return { name, image: REFERENCE, command, args: [], volumeMounts: [] };
}

describe.skipIf(!available)('the image', () => {
  let daemon: Daemon;
  let plane: ControlPlane;
  const pods: CriPod[] = [];

  const startPod = async (
    name: string,
    of: { namespace?: string; name: string } = account,
    netConf: object = {},
  ): Promise<CriPod> => {
    const { hostname, port } = new URL(plane.url);
    const namespace = of.namespace ?? '';
    const started = new CriPod({
      daemon,
      pod: manifest,
      name,
      node: NODE,
      scratch: DIRECTORY,
      volumes: { config: { 'net-conf.json': JSON.stringify({ ...NET_CONF, ...netConf }) } },
      env: {
        NODE_NAME: 'node-a',
        POD_NAME: name,
        POD_NAMESPACE: namespace,
        KUBERNETES_SERVICE_HOST: hostname,
        KUBERNETES_SERVICE_PORT: port,
      },
      account: { token: await plane.token(namespace, of.name), 'ca.crt': plane.authority.cert },
    });
    pods.push(started);
    return started;
  };

  beforeAll(async () => {
    for (const path of ['/run', '/var/lib']) coverWithTmpfs(path);
    mkdirSync('/run/netns');
    mkdirSync(`${NODE}/etc/cni/net.d`, { recursive: true });
    mkdirSync(`${NODE}/opt/cni/bin`, { recursive: true });
    // What a node has that runs flannel: the runtime is ready by it.
    writeFileSync(
      `${NODE}/etc/cni/net.d/10-flannel.conflist`,
      JSON.stringify({ cniVersion: '0.3.1', name: 'cbr0', plugins: [{ type: 'flannel', delegate: {} }] }),
    );
    writeFileSync(`${NODE}/opt/cni/bin/flannel`, '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    for (const args of [
      'link add eth0 type veth peer wire',
      'address add 192.0.2.1/24 dev eth0',
      'link set eth0 up',
      'link set wire up',
      'route add default via 192.0.2.254',
    ])
      run('ip', ...args.split(' '));
    const policy = `${DIRECTORY}/audit.yaml`;
    writeFileSync(
      policy,
      JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules: [{ level: 'Metadata' }] }),
    );
    plane = await ControlPlane.start({
      directory: `${DIRECTORY}/cluster`,
      flags: [`--audit-policy-file=${policy}`, `--audit-log-path=${AUDIT_LOG}`],
    });
    await plane.createNode({ name: 'node-a', podCidrs: ['10.244.7.0/24'], addresses: ['192.0.2.1'] });
    await plane.createServiceAccount(account.namespace ?? '', account.name, role.rules);
    if (!runtime) return;
    daemon = await startDaemon({
      runtime,
      directory: `${DIRECTORY}/containerd`,
      cniBinDir: `${NODE}/opt/cni/bin`,
      cniConfDir: `${NODE}/etc/cni/net.d`,
      image: { archive: makeImage(DIRECTORY, PAUSE, ''), reference: PAUSE },
      images: archive === undefined ? [] : [{ archive, reference: IMAGE }],
    });
  }, 180_000);
  afterAll(async () => {
    for (const pod of pods) pod.remove();
    await daemon?.[Symbol.asyncDispose]();
    await plane?.[Symbol.asyncDispose]();
    for (const controller of ['.', ...readdirSync('/sys/fs/cgroup')]) {
      const directory = `/sys/fs/cgroup/${controller}${CGROUP}`;
      spawnSync('find', [directory, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', '+']);
    }
  }, 60_000);

  test('has the same bytes when it is built again', () => {
    const path = imagePath(nativeArchitecture());
    const before = sha256(path);
    expect(sha256(buildImage(nativeArchitecture()))).toBe(before);
  }, 120_000);

  test('runs under the names that manifests use', async () => {
    const pod = await startPod('names');
    const say = (name: string, ...command: string[]): Promise<string> => pod.runToEnd(bare(name, ...command));
    expect(await say('underpod', '/opt/bin/underpod', 'version')).toContain(`underpod ${version} `);
    expect(await say('flanneld', '/opt/bin/flanneld', '--version')).toContain(`underpod ${version}`);
    expect(await say('cp', 'cp', '--help')).toContain('underpod copy');
    expect(await say('iptables', 'iptables', '--version')).toContain('(nf_tables)');
    expect(await say('legacy', 'ip6tables-legacy', '--version')).toContain('(legacy)');
  }, 60_000);

  test('installs plugins and configuration on the node, which stay when its container is gone', async () => {
    const pod = await startPod('install');
    await pod.runToEnd(install);
    expect(readlinkSync(`${NODE}/opt/cni/bin/bridge`)).toBe('/opt/underpod/bin/underpod');
    expect(existsSync(`${NODE}/etc/cni/net.d/10-underpod.conflist`)).toBe(true);
    expect(existsSync(`${NODE}/etc/cni/net.d/10-flannel.conflist.underpod-saved`)).toBe(true);
    expect(existsSync(`${NODE}/opt/cni/bin/flannel.underpod-saved`)).toBe(true);
    expect(await pod.runToEnd({ ...install, name: 'again' })).toContain('in place already');
  }, 60_000);

  test("an init container of flannel's may copy its plugin there: cp follows links, but not into our executable", async () => {
    const executable = `${NODE}/opt/underpod/bin/underpod`;
    const before = statSync(executable);
    const pod = await startPod('copies');
    const copy = ['/bin/busybox', 'cp', '-f', '/bin/busybox', '/opt/cni/bin/flannel'];
    await pod.runToEnd({ ...flannel.plugin, image: PAUSE, command: copy });
    expect(lstatSync(`${NODE}/opt/cni/bin/flannel`).isFile()).toBe(true);
    expect(statSync(executable)).toMatchObject({ ino: before.ino, size: before.size });
    expect(await pod.runToEnd({ ...install, name: 'again' })).toContain('link /opt/cni/bin/flannel');
  }, 60_000);

  test('runs the agent until it is ready, with a root that is read-only and the rights of the manifest', async () => {
    const pod = await startPod('agent');
    const id = pod.start(agentContainer);
    const { host, port, path } = agentContainer.readinessProbe?.httpGet ?? {};
    await isReady(pod, agentContainer, `http://${host}:${port}${path}`);
    expect(readFileSync(`${NODE}/run/flannel/subnet.env`, 'utf8')).toContain('FLANNEL_SUBNET=10.244.7.1/24');
    expect(ipJson('link', 'show', 'flannel.1')).toHaveLength(1);
    expect(nftJson('list', 'table', 'inet', 'underpod-agent').nftables.length).toBeGreaterThan(1);
    expect(readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim()).toBe('1');
    expect(readFileSync('/proc/sys/net/ipv6/conf/flannel.1/accept_ra', 'utf8').trim()).toBe('0');
    expect(pod.log(agentContainer)).not.toMatch(/Z (warn|error) /);
    expect(daemon.crictl('exec', '--sync', id, 'underpod', 'status')).toContain('node-a');
    // As the pages say. Nothing of what it looks at may be out of its reach in the container.
    const { findings } = JSON.parse(
      daemon.crictl('exec', '--sync', id, 'underpod', 'check', '--output=json'),
    ) as { findings: { severity: string }[] };
    expect(findings.filter(({ severity }) => severity === 'error' || severity === 'warning')).toEqual([]);
  }, 60_000);

  test('its role is what the agent asks of the API server, no more and no less', async () => {
    await waitFor(async () => (await networkUnavailable(plane)) === 'False');
    const given = role.rules.flatMap(({ resources, verbs }) =>
      resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`)),
    );
    const user = `system:serviceaccount:${account.namespace}:${account.name}`;
    expect([...askedBy(user)].sort()).toEqual(given.sort());
    for (const pod of pods.splice(0)) pod.remove();
  }, 60_000);

  test("does what flannel's own manifest has its images do", async () => {
    const theirs = { namespace: 'kube-flannel', name: 'flannel' };
    await plane.createServiceAccount(theirs.namespace, theirs.name, FLANNEL_RULES);
    await plane.admin.post(`/api/v1/namespaces/${theirs.namespace}/pods`, {
      metadata: { name: 'kube-flannel-ds-x' },
      spec: { nodeName: 'node-a', serviceAccountName: theirs.name, containers: [{ name: 'a', image: 'a' }] },
    });
    // The device made anew has the kernel's own parameters, which this container may not change.
    run('ip', 'link', 'delete', 'flannel.1');
    const pod = await startPod('kube-flannel-ds-x', theirs, { EnableNFTables: false });
    await pod.runToEnd(flannel.plugin);
    const plugin = lstatSync(`${NODE}/opt/cni/bin/flannel`);
    expect([plugin.isFile(), plugin.mode & 0o777]).toEqual([true, 0o755]);
    await pod.runToEnd(flannel.conf);
    expect(existsSync(`${NODE}/etc/cni/net.d/10-flannel.conflist`)).toBe(true);
    pod.start(flannel.agent);
    await isReady(pod, flannel.agent, 'http://127.0.0.1:8081/readyz');
    expect(run('iptables', '-t', 'nat', '-S')).toContain('FLANNEL-POSTRTG');
    expect(pod.log(flannel.agent)).toContain('a kernel parameter cannot be set from here');
  }, 60_000);
});

async function networkUnavailable(plane: ControlPlane): Promise<string | undefined> {
  const { status } = await plane.node('node-a');
  const conditions = (status?.['conditions'] ?? []) as { type: string; status: string }[];
  return conditions.find(({ type }) => type === 'NetworkUnavailable')?.status;
}
