/** Numbers of RFC 2131 and RFC 2132. Pure. */

/** Options by their number (RFC 2132; 121: RFC 3442). */
export const OPTION = {
  PAD: 0,
  SUBNET_MASK: 1,
  ROUTER: 3,
  DNS: 6,
  HOST_NAME: 12,
  DOMAIN_NAME: 15,
  STATIC_ROUTES: 33,
  REQUESTED_ADDRESS: 50,
  LEASE_TIME: 51,
  OVERLOAD: 52,
  MESSAGE_TYPE: 53,
  SERVER_ID: 54,
  REQUEST_LIST: 55,
  MESSAGE: 56,
  MAX_MESSAGE_SIZE: 57,
  RENEWAL_TIME: 58,
  REBINDING_TIME: 59,
  VENDOR_CLASS: 60,
  CLIENT_ID: 61,
  USER_CLASS: 77,
  CLASSLESS_ROUTES: 121,
  END: 255,
} as const;

/** Values of option 53 (RFC 2132 section 9.6). */
export const MESSAGE_TYPE = {
  DISCOVER: 1,
  OFFER: 2,
  REQUEST: 3,
  DECLINE: 4,
  ACK: 5,
  NAK: 6,
  RELEASE: 7,
  INFORM: 8,
} as const;

/** The field `op`. */
export const BOOT = { REQUEST: 1, REPLY: 2 } as const;

/** UDP ports (RFC 2131 section 4.1). */
export const PORT = { SERVER: 67, CLIENT: 68 } as const;

/** The client cannot take unicast yet: the highest bit of `flags` (RFC 2131 section 2). */
export const BROADCAST_FLAG = 0x8000;
