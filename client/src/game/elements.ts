/** The element with this id. @throws Error if the page has none of this type */
export function element(id: string): HTMLElement;
export function element<T extends Element>(id: string, type: new () => T): T;
export function element(id: string, type: new () => Element = HTMLElement): Element {
  const found = document.getElementById(id);
  if (found instanceof type) return found;
  throw new Error(`The page has no #${id} of this kind.`);
}

/** Sets the text only if it differs, because each change triggers screen readers and layout. */
export function write(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}
