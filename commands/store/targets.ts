import { UsageError } from '../../shared/config/usage-error.ts';
import { findKind, KINDS, type KindInfo } from '../../shared/store/kinds.ts';
import { NODE_LEASE_NAMESPACE } from '../../shared/store/node-object.ts';

/** What an operator names: a kind, and none, one or several objects of it. */
export interface Targets {
  readonly info: KindInfo;
  readonly names: readonly string[];
}

/** Reads `KIND,KIND…`, `KIND NAME…` or `KIND/NAME…`. @throws UsageError */
export function parseTargets(rest: readonly string[]): Targets[] {
  const [first, ...others] = rest;
  if (first === undefined) throw new UsageError(`name a kind: ${kindList()}`);
  if (!first.includes('/')) {
    const kinds = first.split(',').map(requireKind);
    if (kinds.length > 1 && others.length > 0)
      throw new UsageError('names go with one kind; use KIND/NAME KIND/NAME');
    return kinds.map((info) => ({ info, names: others }));
  }
  return rest.map((word) => {
    const [kind = '', name = '', ...more] = word.split('/');
    if (name === '' || more.length > 0) throw new UsageError(`"${word}" is not KIND/NAME, like node/a`);
    return { info: requireKind(kind), names: [name] };
  });
}

/** The namespace that a target without one is in. */
export function namespaceOf(info: KindInfo, flag: string | undefined): string {
  if (!info.namespaced) return '';
  if (flag !== undefined && flag !== '') return flag;
  return info.kind === 'Lease' ? NODE_LEASE_NAMESPACE : 'default';
}

function requireKind(word: string): KindInfo {
  const info = findKind(word);
  if (info === undefined) throw new UsageError(`there is no kind "${word}"; there are ${kindList()}`);
  return info;
}

function kindList(): string {
  return KINDS.map(({ plural, short }) => (short[0] === undefined ? plural : `${plural} (${short[0]})`)).join(
    ', ',
  );
}
