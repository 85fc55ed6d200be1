import { type Cidr, parseCidr } from '../../ip/cidr.ts';
import { type Ip, parseIp } from '../../ip/ip.ts';
import { parseMac } from '../../ip/mac.ts';
import { decodeMessages, type NlMessage } from '../codec/message.ts';

/* Short forms for tests: values from their text, and messages from captured bytes. */

/** Bytes from hexadecimal digits; white space is for the reader. */
export function hex(text: string): Uint8Array {
  return Uint8Array.fromHex(text.replace(/\s/g, ''));
}

/** The one message that `text` holds in hexadecimal digits. */
export function message(text: string): NlMessage {
  const found = decodeMessages(hex(text));
  if (found.length !== 1) throw new Error(`${found.length} messages in ${text}`);
  return found[0] as NlMessage;
}

export function ip(text: string): Ip {
  return given(parseIp(text), text);
}

export function cidr(text: string): Cidr {
  return given(parseCidr(text), text);
}

export function mac(text: string): Uint8Array {
  return given(parseMac(text), text);
}

function given<T>(value: T | undefined, text: string): T {
  if (value === undefined) throw new Error(`not understood: ${text}`);
  return value;
}
