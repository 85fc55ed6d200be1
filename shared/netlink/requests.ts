/** The requests of rtnetlink, made from typed objects. All of them are pure. */
export type { NetlinkRequest } from './request.ts';
export { delAddress, dumpAddresses, newAddress, replaceAddress } from './requests/address.ts';
export {
  addBridgeVlans,
  delBridgeVlans,
  delLink,
  dumpBridgePorts,
  dumpLinks,
  getLink,
  type LinkKey,
  newLink,
  setBridgePort,
  setLink,
} from './requests/link.ts';
export {
  addFdb,
  appendFdb,
  delFdb,
  delNeighbour,
  dumpFdb,
  dumpNeighbours,
  newNeighbour,
  replaceFdb,
  replaceNeighbour,
} from './requests/neighbour.ts';
export {
  delRoute,
  dumpRoutes,
  getRoute,
  newRoute,
  type RouteFilter,
  replaceRoute,
} from './requests/route.ts';
export { delRule, dumpRules, newRule } from './requests/rule.ts';
export { delQdisc, dumpFilters, dumpQdiscs, newFilter, newQdisc } from './requests/tc.ts';
