import { curlOf, type Exchange, mayRepeat, shortened } from './traffic.js';

/** A page that stays open all day keeps no more of them. */
const KEPT = 60;

/** The list of what the page asked of the API, newest first, each to be copied as a command for a shell. */
export class Requests {
  readonly #list: HTMLElement;
  readonly #count: HTMLElement;
  readonly #rows = new Map<Exchange, Row>();
  #total = 0;

  constructor(list: HTMLElement, count: HTMLElement) {
    this.#list = list;
    this.#count = count;
  }

  /** Shows a request, or what has become of one that is shown. */
  tell(exchange: Exchange): void {
    let row = this.#rows.get(exchange);
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
      outcome.status === 0 ? 'no answer' : `${outcome.status} · ${Math.round(outcome.tookMs)} ms`;
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

/** Browsers let a page copy only where it came over https, or from this machine. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Breaks between its parts, where it must break. */
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
