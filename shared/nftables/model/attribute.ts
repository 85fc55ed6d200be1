/**
 * A netlink attribute that this code does not know. Decoders keep it, encoders send it again, so reading an object
 * and writing it back loses nothing that a newer kernel or another program put there.
 */
export interface UnknownAttribute {
  readonly type: number;
  readonly nested: boolean;
  readonly payload: Uint8Array;
}
