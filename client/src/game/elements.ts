/** The element of that id, which the page has. */
export function element(id: string): HTMLElement;
export function element<T extends Element>(id: string, type: new () => T): T;
export function element(id: string, type: new () => Element = HTMLElement): Element {
  const found = document.getElementById(id);
  if (found instanceof type) return found;
  throw new Error(`The page has no #${id} of this kind.`);
}

/** Changes the text only if it is another: screen readers and the layout hear of each change. */
export function write(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}
