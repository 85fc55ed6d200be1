import { RTM } from '../codec/constants.ts';
import { NLM_F } from '../codec/message.ts';
import { encodeRule, type RuleSpec } from '../codec/rule.ts';
import type { NetlinkRequest } from '../request.ts';

/** Adds a rule. EEXIST when there is the same one. */
export function newRule(spec: RuleSpec): NetlinkRequest {
  return request(RTM.NEWRULE, NLM_F.CREATE | NLM_F.EXCL, 'add', spec);
}

/** Deletes the first rule that agrees in all that is given. ENOENT when none does. */
export function delRule(spec: RuleSpec): NetlinkRequest {
  return request(RTM.DELRULE, 0, 'delete', { action: 0, table: 0, ...spec });
}

/** Asks for the rules of a family. For `dump`. */
export function dumpRules(family: 4 | 6): NetlinkRequest {
  const payload = encodeRule({ family, action: 0, table: 0 });
  return { type: RTM.GETRULE, flags: NLM_F.DUMP, payload, what: 'list rules' };
}

function request(type: number, flags: number, verb: string, spec: RuleSpec): NetlinkRequest {
  const what = (): string =>
    `${verb} IPv${spec.family} rule${spec.priority === undefined ? '' : ` ${spec.priority}`}`;
  return { type, flags, payload: encodeRule(spec), what };
}
