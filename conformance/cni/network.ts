/** A network as people configure it, one plugin or a list, and the configurations that a runtime makes of it. Pure. */

import type { Config } from './configs.ts';
import type { Json } from './fresh-node.ts';

/** What a runtime offers to plugins that declare the capability. */
export type Offers = Readonly<Record<string, unknown>>;

/** Something for each capability that does not depend on the network. */
export const usualOffers: Offers = {
  portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }],
  bandwidth: { ingressRate: 8_000_000, ingressBurst: 800_000, egressRate: 8_000_000, egressBurst: 800_000 },
  mac: '02:42:00:00:00:07',
};

/** The plugins of a configuration or list, each with name, version and its runtimeConfig (specification, section 3). */
export function pluginConfigs(source: Json, offers: Offers = {}): Config[] {
  const plugins = (source['plugins'] as Json[] | undefined) ?? [source];
  return plugins.map((plugin) => {
    const { capabilities, ...rest } = plugin;
    const asked = Object.entries((capabilities ?? {}) as Record<string, boolean>)
      .filter(([name, wanted]) => wanted && name in offers)
      .map(([name]) => [name, offers[name]]);
    return {
      ...rest,
      type: String(plugin['type']),
      name: String(source['name']),
      cniVersion: String(source['cniVersion']),
      ...(asked.length > 0 && { runtimeConfig: Object.fromEntries(asked) as Json }),
    };
  });
}

/** Every plugin type that a configuration or list names, IPAM included. */
export function typesOf(source: Json): string[] {
  const plugins = (source['plugins'] as Json[] | undefined) ?? [source];
  return plugins.flatMap((plugin) => {
    const ipam = plugin['ipam'] as Json | undefined;
    return [String(plugin['type']), ...(ipam?.['type'] ? [String(ipam['type'])] : [])];
  });
}
