/**
 * What a GC must keep: the attachments that the runtime calls valid, those whose ADD or DEL runs, and those whose ADD
 * began since the GC did (gc-journal.ts).
 *
 * GC looks at the locks, lists what there is, and takes each attachment's lock before it removes anything of it; with
 * the lock in its hand it looks once more whether an ADD has run in between. Whatever is made after the listing is not
 * on GC's list and stays.
 */

import type { Attachment } from '../../protocol/net-conf.ts';
import { attachmentHash } from './attachment.ts';
import type { AttachmentLock } from './attachment-lock.ts';
import { notedAttachments, runningAttachments, tryLockAttachment } from './attachment-lock.ts';

export class Keep {
  readonly #network: string;
  readonly #attachments = new Map<string, Attachment>();
  readonly #containers = new Set<string>();
  readonly #hashes = new Set<string>();

  constructor(network: string, valid: readonly Attachment[]) {
    this.#network = network;
    for (const attachment of valid) this.add(attachment);
    this.addRunning();
  }

  /** Keeps one more. */
  add({ containerId, ifname }: Attachment): void {
    this.#attachments.set(this.#hash(containerId, ifname), { containerId, ifname });
    this.#containers.add(containerId);
  }

  /** Keeps one whose parts nobody tells, only its hash (attachment.ts). */
  addHash(hash: string): void {
    this.#hashes.add(hash);
  }

  /** Keeps what is being worked on at this moment, and what was added since GC began. Call it again after listing. */
  addRunning(): void {
    for (const attachment of runningAttachments(this.#network)) this.add(attachment);
    this.#addNoted();
  }

  #addNoted(): void {
    for (const attachment of notedAttachments(this.#network)) this.add(attachment);
  }

  has(containerId: string, ifname: string): boolean {
    return this.hasHash(this.#hash(containerId, ifname));
  }

  /** As `has`, by the attachment's hash (attachment.ts). */
  hasHash(hash: string): boolean {
    return this.#attachments.has(hash) || this.#hashes.has(hash);
  }

  /** True if any attachment of the container is kept: for state that does not say which one it is of. */
  hasContainer(containerId: string): boolean {
    if (!this.#containers.has(containerId)) this.#addNoted();
    return this.#containers.has(containerId);
  }

  /** True if something is kept that nobody tells the parts of, so that `attachments` is not all. */
  get hasNameless(): boolean {
    for (const hash of this.#hashes) if (!this.#attachments.has(hash)) return true;
    return false;
  }

  /** All that is kept and whose parts are known: what a delegate is told is valid. See `hasNameless`. */
  get attachments(): readonly Attachment[] {
    return [...this.#attachments.values()];
  }

  /**
   * Takes the lock of an attachment that is to go; undefined when an ADD has begun (and perhaps ended) meanwhile: then
   * it is kept.
   * Dispose of the lock once it is gone.
   */
  claim(containerId: string, ifname: string): AttachmentLock | undefined {
    return this.claimHash(this.#hash(containerId, ifname));
  }

  /** As `claim`, by the attachment's hash (attachment.ts). */
  claimHash(hash: string): AttachmentLock | undefined {
    const held = tryLockAttachment(hash);
    if (!held) {
      this.addHash(hash);
      // Its holder's file says whose it is.
      this.addRunning();
      return undefined;
    }
    this.#addNoted();
    if (!this.hasHash(hash)) return held;
    held[Symbol.dispose]();
    return undefined;
  }

  #hash(containerId: string, ifname: string): string {
    return attachmentHash({ network: this.#network, containerId, ifname });
  }
}
