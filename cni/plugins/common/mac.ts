/** The MAC address that somebody wants the container's interface to have. Pure. */

import { parseMac } from '../../../shared/ip/mac.ts';
import type { CniArgs } from '../../protocol/args.ts';
import { argValue } from '../../protocol/args.ts';
import { invalidConfig } from '../../protocol/error.ts';
import { readObject, readString } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';

/** The last of these that is set: `own` (the plugin's key), CNI_ARGS MAC, args.cni.mac, runtimeConfig.mac. */
export function readMac(conf: NetConf, args: CniArgs, own?: string): Uint8Array | undefined {
  const cni = readObject(conf.args['cni'], 'args.cni') ?? {};
  const text =
    readString(conf.runtimeConfig['mac'], 'runtimeConfig.mac') ||
    readString(cni['mac'], 'args.cni.mac') ||
    argValue(args, 'MAC') ||
    own;
  return text ? requireMac(text) : undefined;
}

/** The address in a text. Throws code 7 for what is none, or none for an interface. */
export function requireMac(text: string): Uint8Array {
  const mac = parseMac(text);
  if (!mac)
    throw invalidConfig(
      `MAC address ${JSON.stringify(text)} must be six bytes in hex, such as 0a:58:0a:00:00:02`,
    );
  // The lowest bit of the first byte marks groups; the kernel refuses such an address for an interface.
  if (((mac[0] ?? 0) & 1) === 1) throw invalidConfig(`MAC address ${text} is a multicast address`);
  return mac;
}
