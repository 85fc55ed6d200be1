/** What backends are made for in the tests of this room. */

import { parseCidr } from '../../../shared/ip/cidr.ts';
import { Secret } from '../network/secret.ts';
import type { BackendSetting } from './backend.ts';

const v4 = parseCidr('10.244.0.0/16');
const v6 = parseCidr('fd00:244::/48');

/** The cluster's networks of those families, and a key of nothing. */
export function setting(families: { readonly v4: boolean; readonly v6: boolean }): BackendSetting {
  return {
    networks: { ...(families.v4 && v4 && { v4 }), ...(families.v6 && v6 && { v6 }) },
    wireguardKey: () => ({
      privateKey: new Secret(new Uint8Array(32).fill(1)),
      publicKey: new Uint8Array(32).fill(2),
    }),
  };
}
