/** Ethernet addresses in text. Pure. */

/** Parses six bytes in hex, separated by `:` or `-`. @returns `undefined` where it is none */
export function parseMac(text: string): Uint8Array | undefined {
  // Digit by digit: an agent reads thousands, and a fresh process has no regular expression compiled yet.
  if (text.length !== 17) return undefined;
  const bytes = new Uint8Array(6);
  for (let index = 0; index < 6; index += 1) {
    const at = index * 3;
    const separator = text.charCodeAt(at + 2);
    if (index < 5 && separator !== 0x3a && separator !== 0x2d) return undefined;
    const high = hexDigit(text.charCodeAt(at));
    const low = hexDigit(text.charCodeAt(at + 1));
    if (high < 0 || low < 0) return undefined;
    bytes[index] = high * 16 + low;
  }
  return bytes;
}

/** The value of a character code, -1 for one that is no digit. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}

/** The bytes in lower-case hex, separated by colons. */
export function formatMac(bytes: Uint8Array): string {
  // No Array.from: its first use costs a fresh process 0.1 ms, and every CNI call writes addresses.
  let text = '';
  for (const byte of bytes) text += `${text === '' ? '' : ':'}${byte < 16 ? '0' : ''}${byte.toString(16)}`;
  return text;
}
