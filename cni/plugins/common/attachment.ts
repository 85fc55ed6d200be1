/**
 * What an attachment is called outside of CNI: the name and alias of its host interface and the name of its lock.
 * All are derived from network, container and interface, so that whoever comes later (a DEL after a kill, a GC) finds
 * them without any record. Pure.
 */

/** One interface of one container in one network. */
export interface AttachmentKey {
  readonly network: string;
  readonly containerId: string;
  readonly ifname: string;
}

/** Names that DEL looks for. A clash with a foreign link takes 1 in 2^32 a pod, so three more are plenty. */
export const vethNameAttempts = 4;

/** IFALIASZ − 1 of linux/if.h: bytes of a link's alias. */
const maxAliasBytes = 255;

/** Longest network name that stands in an alias as it is; it leaves room for a hash behind it. */
const maxPlainNetwork = 128;

const aliasScheme = 'underpod:';

/** Hex digits of SHA-256 over the three parts: one string for each attachment, 64 digits long. */
export function attachmentHash(key: AttachmentKey): string {
  return sha256(`${key.network}\0${key.containerId}\0${key.ifname}`);
}

/**
 * The host end's name: `veth` and 8 hex digits. `attempt` 0 is the usual one; the next ones serve where a link that
 * is not ours already has the name.
 */
export function hostVethName(key: AttachmentKey, attempt: number = 0): string {
  const seed = `${key.network}\0${key.containerId}\0${key.ifname}`;
  return `veth${sha256(attempt === 0 ? seed : `${seed}\0${attempt}`).slice(0, 8)}`;
}

/**
 * The MAC address of one end, made of the same hash: unicast and locally administered (IEEE 802, the two lowest bits of
 * the first byte). The kernel's own choice would have to be read back, and is one that systemd-udevd exchanges for its
 * own (MACAddressPolicy=persistent) when it gets to the new link.
 */
export function attachmentMac(key: AttachmentKey, end: 'host' | 'pod'): Uint8Array {
  const hash = attachmentHash(key);
  const mac = new Uint8Array(6);
  // The hash's beginning is in names; these are digits 40 to 51 and 52 to 63.
  const from = end === 'host' ? 40 : 52;
  for (let at = 0; at < 6; at++) mac[at] = Number.parseInt(hash.slice(from + 2 * at, from + 2 * at + 2), 16);
  mac[0] = ((mac[0] ?? 0) & 0xfc) | 0x02;
  return mac;
}

/**
 * The host end's alias: `underpod:<network>/<containerID>/<ifname>`, by which GC knows whose it is. What would not fit
 * becomes `#` and a hash; neither a network's nor a container's name may begin with `#`.
 */
export function attachmentAlias(key: AttachmentKey): string {
  const prefix = networkAliasPrefix(key.network);
  const plain = `${prefix}${key.containerId}/${key.ifname}`;
  return byteLength(plain) <= maxAliasBytes ? plain : `${prefix}#${attachmentHash(key)}`;
}

/** What the aliases of all of a network's attachments begin with, and those of no other network. */
export function networkAliasPrefix(network: string): string {
  const name = network.length <= maxPlainNetwork ? network : `#${sha256(network)}`;
  return `${aliasScheme}${name}/`;
}

/** What an alias tells of its attachment: the parts, or only their hash where they did not fit. */
export type AliasOwner =
  | { readonly kind: 'plain'; readonly containerId: string; readonly ifname: string }
  | { readonly kind: 'hashed'; readonly hash: string };

/** Reads an alias; undefined when it is not one of this network's. */
export function readAlias(network: string, alias: string | undefined): AliasOwner | undefined {
  const prefix = networkAliasPrefix(network);
  if (!alias?.startsWith(prefix)) return undefined;
  const rest = alias.slice(prefix.length);
  if (rest.startsWith('#')) return { kind: 'hashed', hash: rest.slice(1) };
  // Interface names hold no slash, container ids neither.
  const slash = rest.indexOf('/');
  if (slash <= 0) return undefined;
  return { kind: 'plain', containerId: rest.slice(0, slash), ifname: rest.slice(slash + 1) };
}

/** True for an alias of any attachment of ours, whatever its network. */
export function isAttachmentAlias(alias: string | undefined): boolean {
  return alias?.startsWith(aliasScheme) ?? false;
}

/** The last text and its hash: a CNI call asks for the same one eight times, at 7 µs each. */
let last: readonly [text: string, hash: string] = ['', ''];

/** Hex digits of a text's SHA-256. */
export function sha256(text: string): string {
  if (last[0] !== text || text === '') last = [text, Bun.CryptoHasher.hash('sha256', text, 'hex')];
  return last[1];
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
