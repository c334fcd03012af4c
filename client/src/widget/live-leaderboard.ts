import { html, LitElement } from 'lit';

export class LiveLeaderboard extends LitElement {
  override render() {
    return html`<slot></slot>`;
  }
}

customElements.define('live-leaderboard', LiveLeaderboard);
