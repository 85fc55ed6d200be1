/** Where a local volume is: a topology's one key; its value is the node's id. Pure. */
export const TOPOLOGY_KEY = 'local.underpod.io/node';
