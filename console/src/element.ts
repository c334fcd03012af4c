import { LitElement } from 'lit';
import type { Place } from './router.js';

/** An element without a shadow: one sheet styles all of the console, and labels reach their fields. */
export abstract class Part extends LitElement {
  protected override createRenderRoot(): HTMLElement {
    return this;
  }
}

/** A screen: the element of one place. A change of its path makes a new one; its query may change while it is shown. */
export abstract class Screen extends Part {
  place: Place = { path: '', params: {}, query: new URLSearchParams() };

  param(name: string): string {
    return this.place.params[name] ?? '';
  }

  /** Its query has changed: by a filter, or by going back. */
  placeChanged(): void {
    this.requestUpdate();
  }
}
