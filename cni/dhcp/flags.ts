/** The daemon's flags: upstream's, and where it keeps what. Pure. */

import type { FlagSpec } from '../../shared/config/flags.ts';
import { defaultDhcpSocket } from '../protocol/dhcp-daemon.ts';

export const DHCP_FLAGS: readonly FlagSpec[] = [
  {
    name: 'socket',
    kind: 'string',
    default: defaultDhcpSocket,
    value: 'PATH',
    help: "unix socket to listen on: ipam's daemonSocketPath",
  },
  { name: 'socketpath', kind: 'string', value: 'PATH', help: "the same, by upstream's name" },
  {
    name: 'state-dir',
    kind: 'string',
    default: '/var/lib/underpod/dhcp',
    value: 'DIR',
    help: 'where leases are kept across restarts',
  },
  { name: 'pidfile', kind: 'string', value: 'PATH', help: 'file to write the process id to' },
  {
    name: 'hostprefix',
    kind: 'string',
    value: 'DIR',
    help: "the host's root directory: goes before the socket's and every namespace's path",
  },
  { name: 'broadcast', kind: 'boolean', help: 'have servers answer by broadcast' },
  {
    name: 'timeout',
    kind: 'duration',
    default: '10s',
    help: 'how long an offered address is asked for before the search begins anew',
  },
  { name: 'resendmax', kind: 'duration', default: '62s', help: 'longest time between two requests' },
  {
    name: 'resendtimeout',
    kind: 'duration',
    default: '208s',
    help: 'how long ADD looks for a server',
  },
  {
    name: 'log-level',
    kind: 'string',
    default: 'info',
    choices: ['debug', 'info', 'warn', 'error'],
    help: 'debug also tells of renewals',
  },
  {
    name: 'log-format',
    kind: 'string',
    default: 'text',
    choices: ['text', 'json'],
    help: 'lines for people or for programs',
  },
];
