/** Credentials from a program that a kubeconfig names (client.authentication.k8s.io ExecCredential). */

import type { KubeClock } from '../clock.ts';
import { AccessError } from './access.ts';
import type { ClusterEntry, ExecEntry } from './kubeconfig-file.ts';

export interface PluginCredentials {
  readonly token?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface ExecContext {
  /** The kubeconfig's directory: a command with a slash is relative to it. */
  readonly directory: string;
  readonly server: string;
  readonly cluster: ClusterEntry;
}

/** A plugin that says nothing for this long (ms) hangs; the cloud providers' take seconds at most. */
const PATIENCE = 60_000;

interface Kept {
  readonly credentials: PluginCredentials;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/** Runs the plugin when it has to, and keeps what it said until that expires or is refused. */
export class ExecCredentials {
  readonly #clock: KubeClock;
  #kept: Kept | undefined;
  #running: Promise<Kept> | undefined;

  constructor(clock: KubeClock) {
    this.#clock = clock;
  }

  forget(): void {
    this.#kept = undefined;
  }

  /** @throws AccessError with what the plugin said on stderr */
  async current(exec: ExecEntry, context: ExecContext): Promise<PluginCredentials> {
    if (this.#kept && this.#kept.until > this.#clock.now().wallMs) return this.#kept.credentials;
    this.#running ??= run(exec, context).finally(() => {
      this.#running = undefined;
    });
    this.#kept = await this.#running;
    return this.#kept.credentials;
  }
}

async function run(exec: ExecEntry, context: ExecContext): Promise<Kept> {
  const apiVersion = exec.apiVersion ?? 'client.authentication.k8s.io/v1';
  const { cluster, server, directory } = context;
  const info = {
    apiVersion,
    kind: 'ExecCredential',
    spec: {
      interactive: false,
      ...(exec.provideClusterInfo && {
        cluster: { server, 'certificate-authority-data': cluster['certificate-authority-data'] },
      }),
    },
  };
  const { command } = exec;
  const file = command.includes('/') && !command.startsWith('/') ? `${directory}${command}` : command;
  const env: Record<string, string | undefined> = { ...process.env };
  // A Bun program would take them for its own.
  for (const name of ['BUN_OPTIONS', 'BUN_BE_BUN']) delete env[name];
  for (const { name, value } of exec.env ?? []) env[name] = value;
  env['KUBERNETES_EXEC_INFO'] = JSON.stringify(info);
  let child: Bun.Subprocess<'ignore', 'pipe', 'pipe'>;
  try {
    child = Bun.spawn([file, ...(exec.args ?? [])], {
      env,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      timeout: PATIENCE,
      killSignal: 'SIGKILL',
    });
  } catch (cause) {
    throw new AccessError(`cannot run ${command} for credentials. ${exec.installHint ?? 'Install it.'}`, {
      cause,
    });
  }
  const [output, said, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new AccessError(`${command} gave no credentials (exit ${code}): ${said.trim()}`);
  return parse(output, command);
}

interface ExecCredential {
  readonly status?: {
    readonly token?: string;
    readonly clientCertificateData?: string;
    readonly clientKeyData?: string;
    /** RFC 3339. */
    readonly expirationTimestamp?: string;
  };
}

function parse(output: string, command: string): Kept {
  let credential: ExecCredential;
  try {
    credential = JSON.parse(output) as ExecCredential;
  } catch (cause) {
    throw new AccessError(`${command} printed no ExecCredential`, { cause });
  }
  const { token, clientCertificateData, clientKeyData, expirationTimestamp } = credential.status ?? {};
  if (!token && !clientCertificateData) throw new AccessError(`${command} printed no credentials`);
  const expires = expirationTimestamp === undefined ? Number.NaN : Date.parse(expirationTimestamp);
  return {
    credentials: {
      ...(token && { token }),
      ...(clientCertificateData && { cert: clientCertificateData }),
      ...(clientKeyData && { key: clientKeyData }),
    },
    until: Number.isNaN(expires) ? Number.POSITIVE_INFINITY : expires,
  };
}
