/** What becomes of the packet. `continue` goes on with the next rule; jump comes back, goto does not. */
export type Verdict =
  | { readonly code: 'accept' | 'drop' | 'return' | 'continue' }
  | { readonly code: 'jump' | 'goto'; readonly chain: string };
