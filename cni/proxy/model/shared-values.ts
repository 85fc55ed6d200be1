/** One object for what many endpoints have in common: a quarter of a million endpoints are on a few thousand nodes. Pure. */

/** Where an endpoint runs, as far as it is said. */
export interface Place {
  readonly node?: string;
  readonly zone?: string;
}

/** Nodes come and go: after so many (a hundred bytes each) it begins anew. Equal values are two objects then, no more. */
const MOST = 100_000;

export class SharedValues {
  #places = new Map<string, Place>();
  #names = new Map<string, readonly string[]>();

  place(node: string | undefined, zone: string | undefined): Place {
    // A node is in one zone, so that the node alone finds it.
    const key = node ?? '';
    const known = this.#places.get(key);
    if (known && known.node === node && known.zone === zone) return known;
    const place = { ...(node !== undefined && { node }), ...(zone !== undefined && { zone }) };
    if (this.#places.size >= MOST) this.#places = new Map();
    this.#places.set(key, place);
    return place;
  }

  names(names: readonly string[]): readonly string[] {
    const key = names.join();
    const known = this.#names.get(key);
    if (known) return known;
    if (this.#names.size >= MOST) this.#names = new Map();
    this.#names.set(key, names);
    return names;
  }
}
