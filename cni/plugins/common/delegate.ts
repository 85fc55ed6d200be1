import type {
  AddRequest,
  Awaitable,
  CheckRequest,
  DelRequest,
  GcRequest,
  StatusRequest,
} from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import type { Keep } from './keep.ts';
import type { RuleAddition, RuleRemoval } from './rule-changes.ts';

/** What the calling plugin knows of the attachment. */
export interface AddOptions {
  /** The kernel has no interface of this attachment, so it cannot hold addresses either. */
  readonly isNew?: boolean;
  /**
   * Takes the step that undoes what the ADD did, for a caller that fails after it. Ours undo just that; those of other
   * projects are called with DEL, which takes all that the attachment holds.
   */
  readonly defer?: (undo: () => unknown) => void;
  /**
   * Takes what the plugin would put into nf_tables: the caller does that for several plugins at once, and undoes them by
   * DEL when it fails.
   */
  readonly collect?: RuleAddition[];
}

/** What a caller of several plugins has to do with a DEL. */
export interface DelOptions {
  /** Takes what the plugin would remove from nf_tables: the caller does that for several plugins at once. */
  readonly collect?: RuleRemoval[];
  /**
   * What was collected of others. A plugin that removes rules and then an interface takes it out of the list and removes
   * it along with its own, so that one child closes the packet filter; other plugins leave it alone.
   */
  readonly along?: RuleRemoval[];
}

/** What ADD and DEL need of a plugin that another one calls. */
export interface AttachingDelegate {
  /**
   * For IPAM plugins: works through the container's interface, which must be there and carry packets in ADD, and still be
   * there in DEL. Others are called while it is not there.
   */
  readonly usesInterface?: boolean;
  add(request: AddRequest, options?: AddOptions): Awaitable<Result>;
  del(request: DelRequest, options?: DelOptions): Awaitable<void>;
}

/** A plugin that another one calls: in the same process where it is ours, else executed. */
export interface Delegate extends AttachingDelegate {
  check(request: CheckRequest): Awaitable<void>;
  status(request: StatusRequest): Awaitable<void>;
  /**
   * GC in two halves: lists what there is at once; the function it returns removes what is not to be kept by then.
   * Between the halves the caller removes what depends on it.
   */
  prepareGc(request: GcRequest): Awaitable<(keep: Keep) => Awaitable<void>>;
}
