/** Ethernet addresses in text. Pure. */

/** Parses six bytes in hex, separated by `:` or `-`. @returns `undefined` where it is none */
export function parseMac(text: string): Uint8Array | undefined {
  if (!/^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$/.test(text)) return undefined;
  return Uint8Array.from(text.split(/[:-]/), (byte) => Number.parseInt(byte, 16));
}

/** The bytes in lower-case hex, separated by colons. */
export function formatMac(bytes: Uint8Array): string {
  // No Array.from: its first use costs a fresh process 0.1 ms, and every CNI call writes addresses.
  let text = '';
  for (const byte of bytes) text += `${text === '' ? '' : ':'}${byte < 16 ? '0' : ''}${byte.toString(16)}`;
  return text;
}
