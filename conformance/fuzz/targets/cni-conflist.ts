import { isCniError } from '../../../cni/protocol/error.ts';
import { supportedVersions } from '../../../cni/protocol/version.ts';
import type { NetworkConfig } from '../../../cni/runtime/network-config.ts';
import { parseNetworkConfig } from '../../../cni/runtime/network-config.ts';
import { buildRequest } from '../../../cni/runtime/request.ts';
import { describeBytes, jsonBytes, jsonInput } from '../json-input.ts';
import { conflists } from '../seeds.ts';
import { must, type Target, target } from '../target.ts';

/** A mutated network configuration file, and the requests that are made of it. */
export const cniConflist: Target = target<Uint8Array>({
  name: 'cni-conflist',
  generate: (random) => jsonInput(conflists, random),
  seeds: conflists.map(jsonBytes),
  changed: (bytes) => bytes.toHex(),
  judge: (bytes) => {
    const network = parse(bytes);
    if (network === undefined) return 'refused';
    must(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(network.name), 'a network name is a file name');
    must(
      network.plugins.every(({ type }) => type !== '' && !type.includes('/')),
      'a type is a file name',
    );
    const cniVersion = supportedVersions.find((version) => version === network.cniVersion) ?? '1.1.0';
    for (const plugin of network.plugins) {
      const request = buildRequest(plugin, {
        name: network.name,
        cniVersion,
        capabilityArgs: { portMappings: [1] },
      });
      const value = JSON.parse(new TextDecoder().decode(request));
      must(value.name === network.name && value.type === plugin.type, "a request is its plugin's");
    }
    return 'accepted';
  },
  describe: describeBytes,
});

function parse(bytes: Uint8Array): NetworkConfig | undefined {
  try {
    return parseNetworkConfig(bytes, 'file');
  } catch (error) {
    if (isCniError(error, 6, 7)) return undefined;
    throw error;
  }
}
