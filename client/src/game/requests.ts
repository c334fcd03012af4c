import { curlOf, type Exchange, mayRepeat, shortened } from './traffic.js';

/** Maximum number of listed requests, for pages that stay open all day. */
const KEPT = 60;

/** The list of the page's requests to the API, newest first. Each can be copied as a shell command. */
export class Requests {
  readonly #list: HTMLElement;
  readonly #count: HTMLElement;
  readonly #rows = new Map<Exchange, Row>();
  #total = 0;

  constructor(list: HTMLElement, count: HTMLElement) {
    this.#list = list;
    this.#count = count;
  }

  /** Adds a request, or updates its outcome. */
  show(exchange: Exchange): void {
    let row = this.#rows.get(exchange);
    // The outcome of a request that is no longer listed, like a long stream.
    if (row === undefined && exchange.outcome !== undefined) return;
    if (row === undefined) {
      row = newRow(exchange);
      this.#rows.set(exchange, row);
      this.#list.prepend(row.element);
      this.#total += 1;
      this.#count.textContent = String(this.#total);
      const [oldest] = this.#rows.keys();
      if (this.#rows.size > KEPT && oldest !== undefined) this.#drop(oldest);
    }
    const { outcome } = exchange;
    if (outcome === undefined) return;
    const answer =
      outcome.status === 0 ? 'no response' : `${outcome.status} · ${Math.round(outcome.tookMs)} ms`;
    row.answer.textContent = answer;
    row.answer.classList.toggle('bad', outcome.status === 0 || outcome.status >= 400);
    row.body.textContent = shortened(indented(outcome.body));
    row.body.hidden = outcome.body === '';
  }

  #drop(exchange: Exchange): void {
    this.#rows.get(exchange)?.element.remove();
    this.#rows.delete(exchange);
  }
}

interface Row {
  readonly element: HTMLElement;
  readonly answer: HTMLElement;
  readonly body: HTMLElement;
}

function newRow(exchange: Exchange): Row {
  const { pathname, search } = new URL(exchange.url);
  const answer = make('span', 'answer', '…');
  const body = make('pre', 'body');
  body.hidden = true;
  const summary = make('summary');
  summary.append(make('span', 'method', exchange.method), ' ', path(pathname + search), ' ', answer);
  const details = make('details');
  details.append(summary, make('pre', 'command', shortened(curlOf(exchange))), body);
  const element = make('li', 'request');
  element.append(details);
  if (mayRepeat(exchange)) element.append(copyButton(exchange, pathname));
  return { element, answer, body };
}

function copyButton(exchange: Exchange, path: string): HTMLElement {
  const button = make('button', 'quiet copy', 'Copy');
  button.setAttribute('type', 'button');
  button.setAttribute('aria-label', `Copy ${exchange.method} ${path} as curl`);
  button.addEventListener('click', async () => {
    const copied = await copy(curlOf(exchange));
    button.textContent = copied ? 'Copied' : 'Not allowed';
    setTimeout(() => {
      button.textContent = 'Copy';
    }, 1_500);
  });
  return button;
}

async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyByEvent(text);
  }
}

/** For pages over plain http from another machine, which have no `navigator.clipboard`. */
function copyByEvent(text: string): boolean {
  const give = (event: ClipboardEvent) => {
    event.clipboardData?.setData('text/plain', text);
    event.preventDefault();
  };
  document.addEventListener('copy', give);
  const copied = document.execCommand('copy');
  document.removeEventListener('copy', give);
  return copied;
}

/** The path with line break opportunities between its parts. */
function path(text: string): HTMLElement {
  const element = make('span', 'path');
  for (const part of text.split(/(?<=[/?&])/)) element.append(part, document.createElement('wbr'));
  return element;
}

function indented(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}

function make(tag: string, className = '', text = ''): HTMLElement {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  element.textContent = text;
  return element;
}
