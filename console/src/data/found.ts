/** What a search has found, and where it leads. */
export interface Found {
  readonly title: string;
  readonly kind: string;
  readonly address: string;
}
