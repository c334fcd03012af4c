import type { Frame } from './cpu-profile.js';

const WIDTH = 1_200;
const ROW = 17;
/** Narrower boxes are left out: they would be invisible. */
const MIN_WIDTH = 0.6;
const LETTER = 6.2;
const HEAD = 28;

/** A call tree as SVG: time from left to right, calls downwards, a colour for each part. */
export function flameGraph(root: Frame, title: string): string {
  const scale = WIDTH / root.micros;
  const boxes: string[] = [];
  let deepest = 0;
  const draw = (frame: Frame, left: number, depth: number): void => {
    const width = frame.micros * scale;
    if (width < MIN_WIDTH) return;
    deepest = Math.max(deepest, depth);
    const y = HEAD + depth * ROW;
    const share = `${((frame.micros / root.micros) * 100).toFixed(1)} %`;
    const letters = Math.floor((width - 4) / LETTER);
    const text =
      letters < 3
        ? ''
        : `<text x="${fixed(left + 3)}" y="${y + 12}">${escaped(frame.name.slice(0, letters))}</text>`;
    boxes.push(
      `<g><title>${escaped(`${frame.name} (${frame.part}): ${share}`)}</title>` +
        `<rect x="${fixed(left)}" y="${y}" width="${fixed(width - 0.4)}" height="${ROW - 1}" fill="${colour(frame.part)}"/>${text}</g>`,
    );
    let at = left;
    for (const call of [...frame.calls.values()].sort((a, b) => b.micros - a.micros)) {
      draw(call, at, depth + 1);
      at += call.micros * scale;
    }
  };
  draw(root, 0, 0);
  const height = HEAD + (deepest + 1) * ROW + 4;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="ui-monospace, monospace" font-size="10">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="4" y="18" font-size="13">${escaped(title)}</text>`,
    ...boxes,
    '</svg>\n',
  ].join('\n');
}

/** Each part has the same colour in every picture. */
function colour(part: string): string {
  const hash = [...part].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 7);
  return `hsl(${hash} 65% 75%)`;
}

const fixed = (x: number): string => x.toFixed(1);

const escaped = (text: string): string => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
