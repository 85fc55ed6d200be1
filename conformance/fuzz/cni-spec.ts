import { isIP } from 'node:net';
import { must } from './target.ts';

/**
 * The specification's types, written down a second time and apart from the code that is judged by them.
 */

const versions = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'];

/** Codes that bad input may cause. 999 (internal error) is not among them: our fault is a finding. */
const inputCodes = [1, 2, 3, 4, 5, 6, 7, 8];

/** Throws unless `text` is an error as section 5 has it. */
export function checkError(text: string): void {
  const error = parseObject(text, ['cniVersion', 'code', 'msg', 'details']);
  must(versions.includes(String(error['cniVersion'])), 'an error names a known cniVersion');
  must(inputCodes.includes(Number(error['code'])), `bad input has one of the codes ${inputCodes}: ${text}`);
  must(typeof error['msg'] === 'string' && error['msg'] !== '', 'an error has a message');
  must(error['msg'].length < 2000, `a message can be read: ${error['msg'].slice(0, 100)}…`);
  must(['string', 'undefined'].includes(typeof error['details']), 'details are text');
}

/** Throws unless `text` is a result of `version` with exactly the keys and types that it has. */
export function checkResult(text: string, version: string): void {
  const modern = version >= '1.0.0';
  const lists = version >= '0.3.0';
  const result = parseObject(text, [
    'cniVersion',
    'dns',
    ...(lists ? ['interfaces', 'ips', 'routes'] : ['ip4', 'ip6']),
  ]);
  must(result['cniVersion'] === version, 'a result is of the version asked for');
  checkDns(result['dns']);
  if (!lists) {
    must('ip4' in result || 'ip6' in result, 'a result of 0.2.0 has an address');
    checkFamily(result['ip4'], 4);
    checkFamily(result['ip6'], 6);
    return;
  }
  for (const entry of list(result['interfaces'])) {
    const keys = ['name', 'mac', 'sandbox', ...(modern ? ['mtu', 'socketPath', 'pciID'] : [])];
    const one = object(entry, keys);
    must(typeof one['name'] === 'string', 'an interface has a name');
    for (const key of ['mac', 'sandbox', 'socketPath', 'pciID']) optionalText(one[key]);
    optionalUint(one['mtu']);
  }
  for (const entry of list(result['ips'])) {
    const one = object(entry, ['address', 'gateway', 'interface', ...(modern ? [] : ['version'])]);
    const family = checkCidr(one['address']);
    if (!modern) must(one['version'] === String(family), 'the version beside an address is its family');
    checkOptionalIp(one['gateway']);
    optionalUint(one['interface']);
  }
  for (const entry of list(result['routes'])) checkRoute(entry);
}

function checkFamily(value: unknown, family: 4 | 6): void {
  if (value === undefined) return;
  const one = object(value, ['ip', 'gateway', 'routes']);
  must(checkCidr(one['ip']) === family, `ip${family} holds an IPv${family} address`);
  checkOptionalIp(one['gateway']);
  for (const route of list(one['routes']))
    must(checkRoute(route) === family, 'routes are of the same family');
}

function checkRoute(value: unknown): number {
  const one = object(value, ['dst', 'gw', 'mtu', 'advmss', 'priority', 'table', 'scope']);
  checkOptionalIp(one['gw']);
  for (const key of ['mtu', 'advmss', 'priority', 'table', 'scope']) optionalUint(one[key]);
  return checkCidr(one['dst']);
}

function checkDns(value: unknown): void {
  if (value === undefined) return;
  const dns = object(value, ['nameservers', 'domain', 'search', 'options']);
  optionalText(dns['domain']);
  for (const key of ['nameservers', 'search', 'options']) {
    for (const entry of list(dns[key])) must(typeof entry === 'string', `dns.${key} holds text`);
  }
}

/** The family of an address with its length. */
function checkCidr(value: unknown): number {
  must(typeof value === 'string', 'an address is text');
  const [, ip = '', length = ''] = /^(.*)\/(\d{1,3})$/.exec(value) ?? [];
  const family = isIP(ip);
  must(family !== 0 && Number(length) <= (family === 4 ? 32 : 128), `${value} is an address with its length`);
  return family;
}

function checkOptionalIp(value: unknown): void {
  must(value === undefined || (typeof value === 'string' && isIP(value) !== 0), `${value} is an address`);
}

function optionalText(value: unknown): void {
  must(value === undefined || (typeof value === 'string' && value !== ''), `${value} is text`);
}

function optionalUint(value: unknown): void {
  must(value === undefined || (Number.isSafeInteger(value) && Number(value) >= 0), `${value} is a uint`);
}

function list(value: unknown): unknown[] {
  must(
    value === undefined || (Array.isArray(value) && value.length > 0),
    'a list is absent or holds something',
  );
  return value ?? [];
}

function object(value: unknown, keys: readonly string[]): Record<string, unknown> {
  must(typeof value === 'object' && value !== null && !Array.isArray(value), 'an entry is an object');
  for (const key of Object.keys(value)) must(keys.includes(key), `${key} is a key of the specification`);
  return value as Record<string, unknown>;
}

function parseObject(text: string, keys: readonly string[]): Record<string, unknown> {
  return object(JSON.parse(text), keys);
}
