/** The messages that a client sends in each state: RFC 2131 section 4.3.2, tables 4 and 5. Pure. */

import type { Ip } from '../../../shared/ip/ip.ts';
import type { DhcpMessage, DhcpOption } from '../codec/message.ts';
import { NO_IP } from '../codec/message.ts';
import { BOOT, BROADCAST_FLAG, MESSAGE_TYPE, OPTION } from '../codec/option-codes.ts';
import { byteOption, ipOption } from '../codec/options.ts';
import type { Lease } from './lease.ts';

/** Who asks, and for what. */
export interface Client {
  readonly mac: Uint8Array;
  /** Option 61. */
  readonly clientId: Uint8Array;
  /** What else to tell: each replaces one of ours with the same code. */
  readonly provided: readonly DhcpOption[];
  /** Option 55: the codes that are wanted. */
  readonly wanted: readonly number[];
  /** Answers cannot be sent to an address that the interface does not have yet. */
  readonly broadcast: boolean;
}

/** A transaction: its number, and how long the client has been at it. */
export interface Transaction {
  readonly xid: number;
  readonly secs: number;
}

/** Ethernet, of IANA's hardware types. */
const ETHERNET = 1;

/** What fits into an Ethernet frame: RFC 2132 section 9.10 counts IP's and UDP's headers. */
const MAX_MESSAGE = [1500 >> 8, 1500 & 0xff] as const;

export function discover(client: Client, transaction: Transaction, wish: Ip | undefined): DhcpMessage {
  const address = wish ? [ipOption(OPTION.REQUESTED_ADDRESS, wish)] : [];
  return message(client, transaction, MESSAGE_TYPE.DISCOVER, NO_IP, address);
}

/** SELECTING: takes an offer. */
export function requestOffer(
  client: Client,
  transaction: Transaction,
  { address, server }: { readonly address: Ip; readonly server: Ip },
): DhcpMessage {
  return message(client, transaction, MESSAGE_TYPE.REQUEST, NO_IP, [
    ipOption(OPTION.REQUESTED_ADDRESS, address),
    ipOption(OPTION.SERVER_ID, server),
  ]);
}

/** INIT-REBOOT: asks whether an address of before is still the client's. */
export function requestAgain(client: Client, transaction: Transaction, address: Ip): DhcpMessage {
  return message(client, transaction, MESSAGE_TYPE.REQUEST, NO_IP, [
    ipOption(OPTION.REQUESTED_ADDRESS, address),
  ]);
}

/** RENEWING and REBINDING: the client has the address, and is answered there. */
export function renew(client: Client, transaction: Transaction, { address }: Lease): DhcpMessage {
  return message({ ...client, broadcast: false }, transaction, MESSAGE_TYPE.REQUEST, address, []);
}

/** Gives the address back. Nobody answers. */
export function release(client: Client, xid: number, { address, server }: Lease): DhcpMessage {
  const { chaddr, ...rest } = fields(client, { xid, secs: 0 }, address);
  const id = client.provided.find(({ code }) => code === OPTION.CLIENT_ID) ?? {
    code: OPTION.CLIENT_ID,
    data: client.clientId,
  };
  return {
    ...rest,
    chaddr,
    flags: 0,
    options: [byteOption(OPTION.MESSAGE_TYPE, MESSAGE_TYPE.RELEASE), ipOption(OPTION.SERVER_ID, server), id],
  };
}

function message(
  client: Client,
  transaction: Transaction,
  type: number,
  address: Ip,
  options: readonly DhcpOption[],
): DhcpMessage {
  const own: DhcpOption[] = [
    byteOption(OPTION.MESSAGE_TYPE, type),
    ...options,
    { code: OPTION.CLIENT_ID, data: client.clientId },
    byteOption(OPTION.MAX_MESSAGE_SIZE, ...MAX_MESSAGE),
    byteOption(OPTION.REQUEST_LIST, ...client.wanted),
  ];
  const replaced = new Set(client.provided.map(({ code }) => code));
  return {
    ...fields(client, transaction, address),
    options: [...own.filter(({ code }) => !replaced.has(code)), ...client.provided],
  };
}

function fields(client: Client, { xid, secs }: Transaction, ciaddr: Ip): Omit<DhcpMessage, 'options'> {
  return {
    op: BOOT.REQUEST,
    htype: ETHERNET,
    hops: 0,
    xid,
    secs: Math.min(secs, 0xffff),
    flags: client.broadcast ? BROADCAST_FLAG : 0,
    ciaddr,
    yiaddr: NO_IP,
    siaddr: NO_IP,
    giaddr: NO_IP,
    chaddr: client.mac,
  };
}
