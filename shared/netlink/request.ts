/** One request to the kernel, of any netlink family, before the socket gives it a sequence number. */
export interface NetlinkRequest {
  readonly type: number;
  /** Bits of NLM_F; the socket adds REQUEST, and ACK or DUMP where its method needs them. */
  readonly flags: number;
  readonly payload: Uint8Array;
  /** The kernel answers with an object, for which the receive buffer needs room beside the acknowledgement. */
  readonly replies?: true;
  /** What it does, for error messages: "add link eth0". A function is called only when there is an error. */
  readonly what: string | (() => string);
}

/** What a request is for, in words. */
export function describeRequest(request: NetlinkRequest): string {
  return typeof request.what === 'string' ? request.what : request.what();
}
