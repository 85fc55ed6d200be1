/** Certificates of a test's own, made with openssl(1). */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './netns.ts';

export interface KeyPair {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface Subject {
  readonly commonName: string;
  /** Kubernetes takes it for the user's group. */
  readonly organization?: string;
  /** Names and addresses that a server may be called by. */
  readonly hosts?: readonly string[];
  /** How long it holds; negative: it has ended. Default 30. */
  readonly days?: number;
}

/** Elliptic curves: a key in a millisecond. */
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc'];

export class Authority {
  readonly #directory: string;

  /** Makes an authority's key and certificate in a directory, which is made. */
  constructor(directory: string, name = 'test authority') {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const constraints = ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=keyCertSign'];
    this.#request(['-subj', `/CN=${name}`, '-days', '30', ...constraints], 'ca');
  }

  get certFile(): string {
    return join(this.#directory, 'ca.crt');
  }

  get cert(): string {
    return readFileSync(this.certFile, 'utf8');
  }

  /** A certificate for a server, a client or both, in files of this name. An earlier one is replaced. */
  issue(file: string, subject: Subject): KeyPair {
    const { commonName, organization, hosts = [], days = 30 } = subject;
    const group = organization === undefined ? '' : `/O=${organization}`;
    const names = hosts.map((host) => (/^[\d.]+$|:/.test(host) ? `IP:${host}` : `DNS:${host}`));
    const extensions = [
      ['basicConstraints=CA:FALSE', 'keyUsage=digitalSignature', 'extendedKeyUsage=serverAuth,clientAuth'],
      names.length === 0 ? [] : [`subjectAltName=${names.join(',')}`],
    ].flat();
    const signed = ['-CA', this.certFile, '-CAkey', join(this.#directory, 'ca.key')];
    return this.#request(
      [
        ...['-subj', `${group}/CN=${commonName}`, '-days', String(days), ...signed],
        ...extensions.flatMap((extension) => ['-addext', extension]),
      ],
      file,
    );
  }

  #request(args: readonly string[], file: string): KeyPair {
    const [certFile, keyFile] = [join(this.#directory, `${file}.crt`), join(this.#directory, `${file}.key`)];
    // Nothing of the machine's configuration: it may add extensions of its own.
    const config = join(this.#directory, 'openssl.cnf');
    writeFileSync(config, '[req]\ndistinguished_name=dn\n[dn]\n');
    run(
      'openssl',
      'req',
      '-x509',
      '-config',
      config,
      ...NEW_KEY,
      '-keyout',
      keyFile,
      '-out',
      certFile,
      ...args,
    );
    return { certFile, keyFile };
  }
}
