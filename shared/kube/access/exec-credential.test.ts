import { expect, test } from 'vitest';
import { execInfo, parseCredential } from './exec-credential.ts';
import type { ExecEntry } from './kubeconfig-file.ts';

const V1 = 'client.authentication.k8s.io/v1';
const V1BETA1 = 'client.authentication.k8s.io/v1beta1';
const exec: ExecEntry = { apiVersion: V1, command: 'plugin', interactiveMode: 'Never' };
const context = { directory: '/etc/', server: 'https://h:6443', cluster: {}, ca: undefined };

test('the plugin is told of the cluster where it asks for that, as client-go does', () => {
  expect(execInfo(exec, context)).toEqual({
    kind: 'ExecCredential',
    apiVersion: V1,
    spec: { interactive: false },
  });
  const cluster = {
    server: 'https://other',
    'tls-server-name': 'kubernetes',
    'insecure-skip-tls-verify': true,
    'proxy-url': 'http://proxy',
    extensions: [{ name: 'client.authentication.k8s.io/exec', extension: { audience: 'me' } }],
  };
  const asking = { ...exec, apiVersion: V1BETA1, provideClusterInfo: true };
  // By what its authority is, also where that is in a file.
  expect(JSON.parse(JSON.stringify(execInfo(asking, { ...context, cluster, ca: 'PEM' })))).toEqual({
    kind: 'ExecCredential',
    apiVersion: V1BETA1,
    spec: {
      cluster: {
        server: 'https://h:6443',
        'tls-server-name': 'kubernetes',
        'insecure-skip-tls-verify': true,
        'certificate-authority-data': 'UEVN',
        'proxy-url': 'http://proxy',
        config: { audience: 'me' },
      },
      interactive: false,
    },
  });
});

test.each<[Partial<ExecEntry>, string]>([
  [
    { apiVersion: 'client.authentication.k8s.io/v1alpha1' },
    'has apiVersion "client.authentication.k8s.io/v1alpha1"',
  ],
  [{ interactiveMode: 'Always' }, 'wants a terminal'],
  [{ interactiveMode: 'Sometimes' }, 'has interactiveMode "Sometimes"'],
  [{ command: '' }, 'names no command'],
])('%j is refused', (more, text) => {
  expect(() => execInfo({ ...exec, ...more }, context)).toThrow(text);
});

test('v1 has to say whether it wants a terminal, v1beta1 need not', () => {
  const { interactiveMode: _, ...silent } = exec;
  expect(() => execInfo(silent, context)).toThrow('has interactiveMode ""');
  expect(execInfo({ ...silent, apiVersion: V1BETA1 }, context)).toMatchObject({
    spec: { interactive: false },
  });
  const { apiVersion: __, ...versionless } = exec;
  expect(() => execInfo(versionless, context)).toThrow('has apiVersion ""');
});

const answer = (status: object | undefined, more: object = {}): string =>
  JSON.stringify({ apiVersion: V1, kind: 'ExecCredential', status, ...more });

test('answers', () => {
  expect(parseCredential(answer({ token: 't', expirationTimestamp: '2026-01-01T00:00:00Z' }), exec)).toEqual({
    credentials: { token: 't' },
    until: Date.UTC(2026, 0, 1),
  });
  expect(parseCredential(answer({ clientCertificateData: 'c', clientKeyData: 'k' }), exec)).toEqual({
    credentials: { cert: 'c', key: 'k' },
    until: Number.POSITIVE_INFINITY,
  });
});

test.each([
  ['hello', 'printed no ExecCredential'],
  ['null', 'printed no ExecCredential'],
  [answer({ token: 't' }, { kind: 'Status' }), 'printed no ExecCredential'],
  [answer({ token: 't' }, { apiVersion: V1BETA1 }), `answers as ${V1BETA1}, while the kubeconfig says ${V1}`],
  [answer(undefined), 'printed no credentials'],
  [answer({ clientCertificateData: 'c' }), 'a certificate or a key, not both'],
])('%s is none', (output, text) => expect(() => parseCredential(output, exec)).toThrow(text));
