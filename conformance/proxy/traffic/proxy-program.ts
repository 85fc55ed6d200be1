/** The proxy as a program, on the node `n1` of a fake API server. */

import { writeFileSync } from 'node:fs';
import { TestDaemon } from '../../testing/daemon.ts';

const MAIN = new URL('../../../main.ts', import.meta.url).pathname;
const NEXT_LAYOUT = `${import.meta.dirname}/next-layout.ts`;

export const HERE = 'n1';

/** From the sources, compiled, or one whose table has another layout. */
export type Program = 'sources' | 'next-layout' | { readonly compiled: string };

export type ProxyMode = 'nftables' | 'iptables';

export interface ProxySettings {
  /** An empty directory. */
  readonly directory: string;
  /** Where the API server is. */
  readonly server: string;
  readonly mode: ProxyMode;
}

/** All that are made of the same directory share state, as one after the other on a node. */
export function proxyDaemon(program: Program, { directory, server, mode }: ProxySettings): TestDaemon {
  const kubeconfig = `${directory}/kubeconfig`;
  writeFileSync(
    kubeconfig,
    `apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {server: '${server}'}}]\n` +
      `users: [{name: u, user: {}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n`,
  );
  const config = `${directory}/${mode}.conf`;
  writeFileSync(
    config,
    `apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: ${mode}\nclusterCIDR: 10.244.0.0/16\n` +
      `conntrack: {maxPerCore: 0}\nclientConnection: {kubeconfig: ${kubeconfig}}\n`,
  );
  return new TestDaemon({
    name: `underpod proxy (${typeof program === 'string' ? program : 'compiled'})`,
    command: [
      ...commandOf(program),
      ...['proxy', `--config=${config}`, `--hostname-override=${HERE}`],
      ...[`--state-dir=${directory}/state`, `--run-dir=${directory}/run`],
    ],
    log: `${directory}/log`,
    startLimitMs: 10_000,
    ready: async () => {
      const { status } = await fetch('http://127.0.0.1:10256/healthz', { keepalive: false });
      if (status !== 200) throw new Error(`healthz says ${status}`);
    },
  });
}

function commandOf(program: Program): readonly string[] {
  const { execPath } = process;
  if (program === 'sources') return [execPath, MAIN];
  return program === 'next-layout' ? [execPath, '--preload', NEXT_LAYOUT, MAIN] : [program.compiled];
}
