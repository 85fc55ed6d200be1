/**
 * Userdata are bytes that the kernel keeps for nft without looking at them: a run of records of one byte type, one
 * byte length and the value (libnftnl's udata.h).
 */
export interface UserdataRecord {
  readonly type: number;
  readonly value: Uint8Array;
}
