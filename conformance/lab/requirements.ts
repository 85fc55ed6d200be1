/** What a lab needs beyond namespaces: servers and peers that are built or fetched once, and kinds of links. */
import { etcdProgram } from '../etcd/program.ts';
import { buildFlanneld, FLANNEL_VERSION, flanneldMissing } from '../flannel/programs.ts';
import { buildKubernetes, KUBERNETES_VERSION, kubernetesMissing } from '../kubernetes/programs.ts';
import { labBackend } from './backends.ts';
import type { LabOptions } from './options.ts';
import type { Report } from './report.ts';
import { tryRun } from './run.ts';

/**
 * Gets what is missing, and says so, since it can take minutes.
 *
 * @returns why the lab cannot run with these options, or undefined if it can
 */
export async function getReady(
  options: LabOptions,
  unshare: readonly string[],
  report: Report,
): Promise<string | undefined> {
  const tell = (text: string): void => report({ kind: 'text', text });
  const { store, backend: name, flannel } = options;
  const { link } = labBackend(name);
  if (link !== undefined) {
    // For the holder's own namespaces, where the modules that the first use loads are the machine's, too.
    const { code, err } = await tryRun([
      ...unshare,
      'ip',
      'link',
      'add',
      'trial',
      'type',
      ...link.split(' '),
    ]);
    if (code !== 0) return `this kernel has no ${name} (${err.trim()}): make test-vm has one`;
  }
  if (flannel.length > 0 && flanneldMissing() !== undefined) {
    tell(`building flanneld ${FLANNEL_VERSION} (once, a minute or two)`);
    const problem = await buildFlanneld();
    if (problem !== undefined) return `flanneld ${FLANNEL_VERSION}: ${problem}`;
  }
  if (store === 'embedded') return undefined;
  if (Bun.which('openssl') === null) return "openssl is not found: run 'make setup'";
  if (etcdProgram() === undefined) return 'etcd cannot be had: install Debian’s etcd-server';
  if (store === 'kubernetes' && kubernetesMissing('kube-apiserver') !== undefined) {
    tell(`building kube-apiserver ${KUBERNETES_VERSION} (once, some minutes)`);
    const problem = await buildKubernetes(['kube-apiserver']);
    if (problem !== undefined) return `kube-apiserver ${KUBERNETES_VERSION}: ${problem}`;
  }
  return undefined;
}
