import { formatIp } from '../../ip/ip.ts';
import {
  encodeIpvsCommand,
  encodeRealServer,
  encodeTimeouts,
  encodeVirtualServer,
  IPVS_CMD,
  type IpvsTimeouts,
  type RealServer,
  type VirtualServer,
  type VirtualServerKey,
} from '../codec/ipvs.ts';
import { NLM_F } from '../codec/message.ts';
import type { NetlinkRequest } from '../request.ts';

/** Adds a virtual server. EEXIST where there is one of that address, ENOENT where the scheduler is unknown. */
export function newVirtualServer(family: number, server: VirtualServer): NetlinkRequest {
  return virtual(family, IPVS_CMD.NEW_SERVICE, 'add', server);
}

/** Changes one: scheduler, flags, timeout. Its real servers and connections stay. ESRCH where there is none. */
export function setVirtualServer(family: number, server: VirtualServer): NetlinkRequest {
  return virtual(family, IPVS_CMD.SET_SERVICE, 'change', server);
}

/** Deletes one with its real servers. ESRCH where there is none. */
export function delVirtualServer(family: number, key: VirtualServerKey): NetlinkRequest {
  const { address, protocol, port } = key;
  return virtual(family, IPVS_CMD.DEL_SERVICE, 'delete', { address, protocol, port });
}

/** Asks for all virtual servers, of both address families. For `dump`. */
export function dumpVirtualServers(family: number): NetlinkRequest {
  return {
    type: family,
    flags: NLM_F.DUMP,
    payload: encodeIpvsCommand(IPVS_CMD.GET_SERVICE),
    what: 'list virtual servers',
  };
}

/** Adds a real server. EEXIST where the virtual server has it, ESRCH where there is no such virtual server. */
export function newRealServer(family: number, of: VirtualServerKey, server: RealServer): NetlinkRequest {
  return real(family, IPVS_CMD.NEW_DEST, 'add', of, server);
}

/** Changes a real server's weight. ENOENT where the virtual server does not have it. */
export function setRealServer(family: number, of: VirtualServerKey, server: RealServer): NetlinkRequest {
  return real(family, IPVS_CMD.SET_DEST, 'change', of, server);
}

/** Deletes a real server. Packets of its connections find none any more. ENOENT as above. */
export function delRealServer(family: number, of: VirtualServerKey, server: RealServer): NetlinkRequest {
  return real(family, IPVS_CMD.DEL_DEST, 'delete', of, server);
}

/** Asks for all real servers of a virtual one; none where there is no such. For `dump`. */
export function dumpRealServers(family: number, of: VirtualServerKey): NetlinkRequest {
  const { address, protocol, port } = of;
  return {
    type: family,
    flags: NLM_F.DUMP,
    payload: encodeVirtualServer(IPVS_CMD.GET_DEST, { address, protocol, port }),
    what: () => `list real servers of ${nameOf(of)}`,
  };
}

/** Sets how long connections are remembered. */
export function setTimeouts(family: number, timeouts: IpvsTimeouts): NetlinkRequest {
  return { type: family, flags: 0, payload: encodeTimeouts(timeouts), what: "set IPVS's timeouts" };
}

export function getTimeouts(family: number): NetlinkRequest {
  const payload = encodeIpvsCommand(IPVS_CMD.GET_CONFIG);
  return { type: family, flags: 0, payload, replies: true, what: "read IPVS's timeouts" };
}

function virtual(
  family: number,
  command: number,
  verb: string,
  server: VirtualServerKey | VirtualServer,
): NetlinkRequest {
  const what = (): string => `${verb} virtual server ${nameOf(server)}`;
  return { type: family, flags: 0, payload: encodeVirtualServer(command, server), what };
}

function real(
  family: number,
  command: number,
  verb: string,
  { address, protocol, port }: VirtualServerKey,
  server: RealServer,
): NetlinkRequest {
  const of = { address, protocol, port };
  return {
    type: family,
    flags: 0,
    payload: encodeRealServer(command, of, server),
    what: () => `${verb} real server ${formatIp(server.address)} port ${server.port} of ${nameOf(of)}`,
  };
}

function nameOf({ address, protocol, port }: VirtualServerKey): string {
  return `${formatIp(address)} port ${port}, protocol ${protocol}`;
}
