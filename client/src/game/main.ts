import { boardElement, boardIn, dressOverlay } from './board.js';
import { element } from './elements.js';
import { startGame } from './game.js';
import { Requests } from './requests.js';
import { watchedEventSource, watchedFetch } from './traffic.js';

const query = new URLSearchParams(location.search);
const board = boardElement(boardIn(query));

if (query.has('obs')) {
  document.documentElement.classList.add('overlay-view');
  const overlay = element('overlay');
  overlay.hidden = false;
  dressOverlay(board, query);
  overlay.append(board);
} else {
  const requests = new Requests(element('request-list'), element('request-count'));
  // Replaced on window to record all requests of the page, including those of the element.
  window.fetch = watchedFetch((exchange) => requests.show(exchange), window.fetch.bind(window));
  window.EventSource = watchedEventSource((exchange) => requests.show(exchange));
  element('page').hidden = false;
  element('board').append(board);
  startGame({ board, query });
}
