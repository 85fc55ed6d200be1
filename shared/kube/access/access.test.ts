import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { Authority } from '../../../conformance/testing/certificates.ts';
import { TemporaryDirectory } from '../../../conformance/testing/netns.ts';
import { KubeClient } from '../client.ts';
import { isUnauthorized, isUnreachable } from '../errors.ts';
import { NODES } from '../resource.ts';
import { FakeApiServer, type FakeTls } from '../testing/fake-api-server.ts';
import { TestClock, until } from '../testing/test-clock.ts';
import type { AccessSource } from './access.ts';
import { inClusterAccess } from './in-cluster.ts';
import { kubeconfigAccess } from './kubeconfig.ts';

const V1 = 'client.authentication.k8s.io/v1';
const clock = new TestClock();
const read = (path: string): string => readFileSync(path, 'utf8');
const failure = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

let pki: TemporaryDirectory;
let first: Authority;
let second: Authority;
beforeAll(() => {
  pki = new TemporaryDirectory();
  first = new Authority(`${pki.path}/first`);
  second = new Authority(`${pki.path}/second`);
  return () => pki[Symbol.dispose]();
});

const serverOf = (authority: Authority, hosts: readonly string[] = ['127.0.0.1']): FakeTls => {
  const { certFile, keyFile } = authority.issue('server', { commonName: 'server', hosts });
  return { cert: read(certFile), key: read(keyFile) };
};

const list = (access: AccessSource): Promise<unknown> =>
  new KubeClient({ access, clock, userAgent: 'test' }).list(NODES, () => undefined);

/** A kubeconfig with one context, in a directory of its own. */
function kubeconfig(directory: string, cluster: object, user: object): string {
  const path = `${directory}/kubeconfig`;
  const config = {
    'current-context': 'here',
    contexts: [{ name: 'here', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user }],
  };
  writeFileSync(path, Bun.YAML.stringify(config, null, 2) as string);
  return path;
}

test('a service account: token and authority count as soon as they rotate', async () => {
  using directory = new TemporaryDirectory();
  await using server = new FakeApiServer({ tls: serverOf(first), token: 'one' });
  writeFileSync(`${directory.path}/token`, 'one\n');
  copyFileSync(first.certFile, `${directory.path}/ca.crt`);
  const access = inClusterAccess({ environment: {}, server: server.url, directory: directory.path });
  await list(access);
  // While nothing changes, connections are kept by the same object.
  expect((await access.current()).tls).toBe((await access.current()).tls);

  server.token = 'two';
  expect(isUnauthorized(await failure(list(access)))).toBe(true);
  writeFileSync(`${directory.path}/token`, 'two');
  await list(access);

  await server.stop();
  server.start(serverOf(second));
  const refused = await failure(list(access));
  expect([isUnreachable(refused), String(refused)]).toEqual([
    true,
    expect.stringContaining('authority (CA)'),
  ]);
  copyFileSync(second.certFile, `${directory.path}/ca.crt`);
  await list(access);
});

test('where the service account says the server is', async () => {
  const at = (host: string): string =>
    inClusterAccess({ environment: { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: '443' } })
      .server;
  expect([at('10.96.0.1'), at('fd00::1')]).toEqual(['https://10.96.0.1:443', 'https://[fd00::1]:443']);
  expect(() => inClusterAccess({ environment: {} })).toThrow('name a kubeconfig file');
  const missing = inClusterAccess({ environment: {}, server: 'https://192.0.2.1/', directory: '/nowhere' });
  await expect(missing.current()).rejects.toThrow('/nowhere/token');
  // A token goes to nobody in the clear.
  const plain = inClusterAccess({ environment: {}, server: 'http://192.0.2.1', directory: '/nowhere' });
  expect((await plain.current()).headers).toEqual({});
});

test('client certificates, by file and inline; the files rotate', async () => {
  using directory = new TemporaryDirectory();
  await using server = new FakeApiServer({ tls: { ...serverOf(first), clientCa: first.cert } });
  const good = first.issue('client', { commonName: 'me' });
  const other = second.issue('client', { commonName: 'me' });
  const base64 = (path: string): string => Buffer.from(read(path)).toString('base64');
  const cluster = { server: server.url, 'certificate-authority-data': base64(first.certFile) };
  const inline = kubeconfig(directory.path, cluster, {
    'client-certificate-data': base64(good.certFile),
    'client-key-data': base64(good.keyFile),
  });
  await list(kubeconfigAccess({ path: inline, clock }));

  const put = ({ certFile, keyFile }: { certFile: string; keyFile: string }): void => {
    copyFileSync(certFile, `${directory.path}/me.crt`);
    copyFileSync(keyFile, `${directory.path}/me.key`);
  };
  put(other);
  // Names are relative to the file.
  const user = { 'client-certificate': 'me.crt', 'client-key': 'me.key' };
  const access = kubeconfigAccess({ path: kubeconfig(directory.path, cluster, user), clock });
  expect(isUnreachable(await failure(list(access)))).toBe(true);
  put(good);
  await list(access);
});

test('a name that the certificate has, another authority, and none at all', async () => {
  using directory = new TemporaryDirectory();
  await using server = new FakeApiServer({ tls: serverOf(first, ['kubernetes.default.svc']) });
  const by = (cluster: object): AccessSource =>
    kubeconfigAccess({ path: kubeconfig(directory.path, { server: server.url, ...cluster }, {}), clock });
  const ca = { 'certificate-authority': first.certFile };
  expect(String(await failure(list(by(ca))))).toContain('set tls-server-name');
  await list(by({ ...ca, 'tls-server-name': 'kubernetes.default.svc' }));
  expect(isUnreachable(await failure(list(by({ 'certificate-authority': second.certFile }))))).toBe(true);
  await list(by({ 'insecure-skip-tls-verify': true }));
});

test('tokens: inline, in a file that rotates, and basic authentication', async () => {
  using directory = new TemporaryDirectory();
  const headers = async (user: object): Promise<unknown> =>
    (
      await kubeconfigAccess({
        path: kubeconfig(directory.path, { server: 'http://h' }, user),
        clock,
      }).current()
    ).headers;
  expect(await headers({ token: 'a' })).toEqual({ authorization: 'Bearer a' });
  writeFileSync(`${directory.path}/token`, 'b\n');
  expect(await headers({ token: 'a', tokenFile: 'token' })).toEqual({ authorization: 'Bearer b' });
  expect(await headers({ username: 'u', password: 'p' })).toEqual({ authorization: 'Basic dTpw' });
  await expect(headers({ 'auth-provider': { name: 'gcp' } })).rejects.toThrow('exec plugin');
});

test('an exec plugin is run once, again when what it said has expired or is refused, and its words are told', async () => {
  using directory = new TemporaryDirectory();
  await using server = new FakeApiServer({ token: 'two' });
  const plugin = `${directory.path}/plugin`;
  const say = (token: string, expires?: string): void => {
    const status = { token, ...(expires && { expirationTimestamp: expires }) };
    const credential = JSON.stringify({ apiVersion: V1, kind: 'ExecCredential', status });
    writeFileSync(
      plugin,
      `#!/bin/sh\necho "$WHO $KUBERNETES_EXEC_INFO" >> ${directory.path}/runs\necho '${credential}'\n`,
      { mode: 0o755 },
    );
  };
  const runs = (): string[] => read(`${directory.path}/runs`).trim().split('\n');
  const exec = {
    apiVersion: V1,
    command: './plugin',
    interactiveMode: 'Never',
    env: [{ name: 'WHO', value: 'me' }],
  };
  const time = new TestClock();
  const path = kubeconfig(directory.path, { server: server.url }, { exec });
  const access = kubeconfigAccess({ path, clock: time });
  say('one');
  // Refused: it is asked again, and says the same.
  expect(isUnauthorized(await failure(list(access)))).toBe(true);
  expect(runs()).toHaveLength(2);
  expect(runs()[0]).toMatch(/^me \{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io\/v1"/);
  say('two', new Date(time.now().wallMs + 60_000).toISOString());
  await list(access);
  await list(access);
  expect(runs()).toHaveLength(3);
  time.advance(60_000);
  await list(access);
  expect(runs()).toHaveLength(4);

  writeFileSync(plugin, '#!/bin/sh\necho "no login" >&2\nexit 3\n', { mode: 0o755 });
  time.advance(60_000);
  await expect(access.current()).rejects.toThrow('./plugin gave no credentials (exit 3): no login');
});

/** An exec plugin of this text, and access by it. */
function byPlugin(
  directory: string,
  text: string,
  server = 'http://h',
): { access: AccessSource; time: TestClock } {
  writeFileSync(`${directory}/plugin`, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  const exec = { apiVersion: V1, command: './plugin', interactiveMode: 'IfAvailable' };
  const time = new TestClock();
  return {
    access: kubeconfigAccess({ path: kubeconfig(directory, { server }, { exec }), clock: time }),
    time,
  };
}

const isAlive = (pid: string): boolean => {
  try {
    return !/\) [XZ] /.test(read(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
};

test('an exec plugin that hangs is ended with all that it started; who gives up does not wait for it', async () => {
  using directory = new TemporaryDirectory();
  const pids = `${directory.path}/pids`;
  const text = `echo 'asking you' >&2; sleep 1000 & echo $$ $! > ${pids}; wait`;
  const { access, time } = byPlugin(directory.path, text);
  const stop = new AbortController();
  const client = new KubeClient({ access, clock, userAgent: 'test' });
  const given = failure(client.get(NODES, { name: 'a', signal: stop.signal }));
  const waiting = failure(access.current());
  await until('the plugin', () => time.timers.includes(60_000) && readSafely(pids).includes(' '));
  stop.abort(new Error('enough'));
  expect(String(await given)).toBe('Error: enough');
  expect(read(pids).trim().split(' ').map(isAlive)).toEqual([true, true]);
  time.advance(60_000);
  expect(String(await waiting)).toContain(
    './plugin gave no credentials within 60 s and was ended: asking you',
  );
  await until('its end', () => !read(pids).trim().split(' ').some(isAlive));
});

test('what an exec plugin leaves behind holds nothing up', async () => {
  using directory = new TemporaryDirectory();
  const pids = `${directory.path}/pids`;
  const said = JSON.stringify({ apiVersion: V1, kind: 'ExecCredential', status: { token: 't' } });
  const { access, time } = byPlugin(directory.path, `sleep 1000 & echo $! > ${pids}; echo '${said}'`);
  const asked = access.current();
  await until('its exit', () => time.timers.includes(1000));
  time.advance(1000);
  expect((await asked).headers).toEqual({ authorization: 'Bearer t' });
  await until('its end', () => !isAlive(read(pids).trim()));
});

const readSafely = (path: string): string => {
  try {
    return read(path);
  } catch {
    return '';
  }
};

test('base64 that is none, or not of a certificate, is told by the name of its field', async () => {
  using directory = new TemporaryDirectory();
  const told = async (cluster: object, user: object): Promise<string> => {
    const path = kubeconfig(directory.path, { server: 'https://h', ...cluster }, user);
    return String(await failure(kubeconfigAccess({ path, clock }).current()));
  };
  expect(await told({ 'certificate-authority-data': 'no base64!' }, {})).toBe(
    `AccessError: ${directory.path}/kubeconfig: certificate-authority-data is no base64`,
  );
  expect(await told({}, { 'client-certificate-data': '%%' })).toContain(
    'client-certificate-data is no base64',
  );
  expect(await told({}, { 'client-key-data': btoa('nothing') })).toContain(
    'client-key-data is base64, but not of',
  );
});

test('without an authority the system is asked whom to trust', async () => {
  using directory = new TemporaryDirectory();
  await using server = new FakeApiServer({ tls: serverOf(first) });
  const path = kubeconfig(directory.path, { server: server.url }, {});
  // Another process: this one may have asked already.
  const script = `
    const { kubeconfigAccess } = await import(${JSON.stringify(`${import.meta.dirname}/kubeconfig.ts`)});
    const { KubeClient } = await import(${JSON.stringify(`${import.meta.dirname}/../client.ts`)});
    const { systemClock: clock } = await import(${JSON.stringify(`${import.meta.dirname}/../clock.ts`)});
    const { NODES } = await import(${JSON.stringify(`${import.meta.dirname}/../resource.ts`)});
    const access = kubeconfigAccess({ path: ${JSON.stringify(path)}, clock });
    const list = new KubeClient({ access, clock, userAgent: 'test' }).list(NODES, () => undefined);
    console.log(await list.then(() => 'trusted', String));`;
  const by = async (file: string): Promise<string> => {
    const env = { PATH: process.env['PATH'], SSL_CERT_FILE: file, SSL_CERT_DIR: '/nowhere' };
    const child = Bun.spawn([process.execPath, '-e', script], { env, stdout: 'pipe', stderr: 'inherit' });
    return (await child.stdout.text()).trim();
  };
  expect(await by(first.certFile)).toBe('trusted');
  expect(await by(second.certFile)).toContain("the server's certificate is not trusted");
});

test('a kubeconfig that lacks what it names says so', () => {
  using directory = new TemporaryDirectory();
  const open = (path: string, context?: string): unknown =>
    kubeconfigAccess({ path, clock, ...(context !== undefined && { context }) });
  expect(() => open('/nowhere')).toThrow('/nowhere');
  const path = kubeconfig(directory.path, {}, {});
  expect(() => open(path)).toThrow('the cluster has no server');
  expect(() => open(path, 'there')).toThrow('has no context "there" (it has: here)');
  writeFileSync(path, 'a: [');
  expect(() => open(path)).toThrow('cannot read the kubeconfig file');
});
