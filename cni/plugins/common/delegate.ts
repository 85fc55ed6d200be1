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

/** What the calling plugin knows of the attachment. */
export interface AddOptions {
  /** The kernel has no interface of this attachment, so it cannot hold addresses either. */
  readonly isNew?: boolean;
  /**
   * Takes the step that undoes what the ADD did, for a caller that fails after it. Ours undo just that; those of other
   * projects are called with DEL, which takes all that the attachment holds.
   */
  readonly defer?: (undo: () => unknown) => void;
}

/** What ADD and DEL need of a plugin that another one calls. */
export interface AttachingDelegate {
  /**
   * For IPAM plugins: works through the container's interface, which must be there and carry packets in ADD, and still be
   * there in DEL. Others are called while it is not there.
   */
  readonly usesInterface?: boolean;
  add(request: AddRequest, options?: AddOptions): Awaitable<Result>;
  del(request: DelRequest): Awaitable<void>;
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
