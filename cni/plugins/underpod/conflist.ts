/** The network configuration that `underpod install` writes. Pure. */

/** File name in /etc/cni/net.d: runtimes take the first of the directory in alphabetical order. */
export const conflistName = '10-underpod.conflist';

/** What an installation may choose. */
export interface ConflistOptions {
  readonly subnetFile?: string;
  readonly dataDir?: string;
  readonly bridge?: string;
}

/** How a node's chain is written: one plugin for all of it, or the plugins that people know, as links to us as well. */
export type ChainStyle = 'single' | 'classic';

/**
 * The default network: the single type underpod, configured as k3s configures flannel's delegate, so that a node can
 * change over with pods running. It is called cbr0 as there, and what the pods' attachments are stored under is this
 * name.
 *
 * cniVersion is 1.0.0: containerd 1.6 and 1.7, CRI-O 1.26 and every libcni from 1.0 on know it. libcni ≥ 1.3 takes
 * the highest version that it, the list and the plugins have in common from `cniVersions`, and then calls STATUS and
 * GC, which came with 1.1.0; older ones ignore that key.
 *
 * The classic chain leaves the same on the disk and in the kernel, so that a node changes over between the two with its
 * pods running.
 */
export function conflist(style: ChainStyle, options: ConflistOptions = {}): string {
  const list = {
    cniVersion: '1.0.0',
    cniVersions: ['0.4.0', '1.0.0', '1.1.0'],
    name: 'cbr0',
    plugins: style === 'single' ? single(options) : classic(options),
  };
  return `${JSON.stringify(list, null, 2)}\n`;
}

const bridgeKeys = { isDefaultGateway: true, hairpinMode: true, forceAddress: true };

function single(options: ConflistOptions): readonly object[] {
  // Declared so that runtimes pass on what a pod asks for.
  const capabilities = { portMappings: true, bandwidth: true };
  return [{ type: 'underpod', ...options, ...bridgeKeys, capabilities }];
}

function classic({ bridge, ...places }: ConflistOptions): readonly object[] {
  const delegate = { ...(bridge === undefined ? {} : { bridge }), ...bridgeKeys };
  return [
    { type: 'flannel', ...places, delegate },
    { type: 'portmap', capabilities: { portMappings: true } },
    { type: 'bandwidth', capabilities: { bandwidth: true } },
  ];
}
