/** The network configuration that `underpod install` writes. Pure. */

/** File name in /etc/cni/net.d: runtimes take the first of the directory in alphabetical order. */
export const conflistName = '10-underpod.conflist';

/** What an installation may choose. */
export interface ConflistOptions {
  readonly subnetFile?: string;
  readonly dataDir?: string;
  readonly bridge?: string;
}

/**
 * The default network: the single type underpod, configured as k3s configures flannel's delegate, so that a node can
 * change over with pods running. It is called cbr0 as there, and what the pods' attachments are stored under is this
 * name.
 *
 * cniVersion is 1.0.0: containerd 1.6 and 1.7, CRI-O 1.26 and every libcni from 1.0 on know it. libcni ≥ 1.3 takes
 * the highest version that it, the list and the plugins have in common from `cniVersions`, and then calls STATUS and
 * GC, which came with 1.1.0; older ones ignore that key.
 */
export function conflist(options: ConflistOptions = {}): string {
  const list = {
    cniVersion: '1.0.0',
    cniVersions: ['0.4.0', '1.0.0', '1.1.0'],
    name: 'cbr0',
    plugins: [
      {
        type: 'underpod',
        ...options,
        isDefaultGateway: true,
        hairpinMode: true,
        forceAddress: true,
        // Declared so that runtimes pass on what a pod asks for. What is not built yet fails such a pod by name.
        capabilities: { portMappings: true, bandwidth: true },
      },
    ],
  };
  return `${JSON.stringify(list, null, 2)}\n`;
}
