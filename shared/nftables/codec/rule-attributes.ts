/** enum nft_rule_attributes of linux/netfilter/nf_tables.h. */
export const RULE = {
  TABLE: 1,
  CHAIN: 2,
  HANDLE: 3,
  EXPRESSIONS: 4,
  POSITION: 6,
  USERDATA: 7,
  PAD: 8,
} as const;
