import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { Authority } from '../../conformance/testing/certificates.ts';
import { freePort } from '../../conformance/testing/free-port.ts';
import { TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { connectionProblem, problemIn } from './connection-problem.ts';

const problemOf = (url: string, more: BunFetchRequestInit = {}): Promise<string | undefined> =>
  fetch(url, more).then(
    () => 'none',
    (error: unknown) => connectionProblem(error),
  );

test('what the runtime says is told in plain words', async () => {
  using directory = new TemporaryDirectory();
  const authority = new Authority(directory.join('pki'));
  const { certFile, keyFile } = authority.issue('server', { commonName: 'x', hosts: ['127.0.0.1'] });
  await using secure = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    tls: { cert: Bun.file(certFile), key: Bun.file(keyFile) },
    fetch: () => new Response(''),
  });
  const rude = createServer((socket) => socket.once('data', () => socket.end('garbage\r\n\r\n')));
  await new Promise<void>((resolve) => rude.listen(0, '127.0.0.1', resolve));
  const { port } = rude.address() as { port: number };
  const refused = await freePort();
  expect([
    await problemOf(`http://127.0.0.1:${refused}`),
    await problemOf('http://localhost', { unix: directory.join('none.sock') }),
    await problemOf(`https://127.0.0.1:${secure.port}`),
    await problemOf(`https://localhost:${secure.port}`, { tls: { ca: authority.cert } }),
    await problemOf(`https://127.0.0.1:${port}`),
    await problemOf(`http://127.0.0.1:${port}`),
  ]).toEqual([
    'connection refused: nothing listens there (ECONNREFUSED)',
    'there is no such socket (ENOENT)',
    expect.stringMatching(/^the server's certificate is not trusted: its authority is not known/),
    expect.stringMatching(/^the server's certificate does not name this host/),
    'what listens there does not speak TLS (EPROTO)',
    'the connection was cut off before an answer (ECONNRESET)',
  ]);
  rude.close();
});

test.each([
  ['connect ECONNREFUSED 192.0.2.1:2379', /refused/],
  ['getaddrinfo ENOTFOUND etcd.invalid', /not known \(DNS\)/],
  ['Name resolution failed for target dns:x:1', /cannot be looked up/],
  ['error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER', /does not speak TLS/],
  ['unable to verify the first certificate', /not trusted/],
  ['No connection established. Last error: Failed to connect (…)', /ended the connection/],
  ['Error [ERR_TLS_CERT_ALTNAME_INVALID]: …', /does not name this host/],
])('%s', (text, plain) => expect(problemIn(text)).toMatch(plain));

test('what is no problem of a connection stays as it is', () => {
  expect([connectionProblem(new Error('etcdserver: no leader')), connectionProblem(undefined)]).toEqual([
    undefined,
    undefined,
  ]);
});
