import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Page } from 'playwright-core';
import type { Test } from 'tap';

const KEPT = 'test/client/pictures';
const OF_DOCUMENTS = 'docs/images';
/** Kept pictures are this much smaller, so that letters of another font differ little. */
const SCALE = 4;
/** Pixels that differ by less than this in each colour count as equal. */
const DIFFERENCE = 48;
/** The share of pixels that may differ. */
const TOLERANCE = 0.01;

/** Runs in the page, which can read pictures: makes the new one small, and counts the pixels that differ. */
const COMPARE = `async ([picture, kept, keptScale]) => {
  const imageOf = (base64) =>
    createImageBitmap(new Blob([Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))]));
  const draw = (image, width, height) => {
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const pen = canvas.getContext('2d');
    pen.imageSmoothingQuality = 'high';
    pen.drawImage(image, 0, 0, width, height);
    return { canvas, data: pen.getImageData(0, 0, width, height).data };
  };
  const image = await imageOf(picture);
  const [width, height] = [image.width, image.height].map((side) => Math.round(side / ${SCALE}));
  const { canvas, data } = draw(image, width, height);
  const small = canvas.toDataURL('image/png').split(',')[1];
  const before = kept && (await imageOf(kept));
  const isAsLarge = (is, should) => Math.round(is / keptScale) === should;
  if (!before || !isAsLarge(before.width, width) || !isAsLarge(before.height, height)) return { small, share: null };
  const other = draw(before, width, height).data;
  let differ = 0;
  for (let i = 0; i < data.length; i += 4)
    if ([0, 1, 2].some((colour) => Math.abs(data[i + colour] - other[i + colour]) >= ${DIFFERENCE})) differ++;
  return { small, share: differ / (width * height) };
}`;

interface Comparison {
  readonly small: string;
  /** Null if the two are of different sizes. */
  readonly share: number | null;
}

/**
 * Compares the page, as far as its viewport shows it, with the picture that is kept of it. UPDATE_PICTURES=1 keeps the new one instead: look at those in
 * client/screenshots before.
 */
export function matchesPicture(t: Test, page: Page, name: string): Promise<void> {
  return compare(t, page, name, `${KEPT}/${name}.png`, 1);
}

/** The same with a picture of the documents, which is kept as large as it is. */
export function matchesImage(t: Test, page: Page, name: string): Promise<void> {
  return compare(t, page, name, `${OF_DOCUMENTS}/${name}.png`, SCALE);
}

/** @param keptScale by how much the kept picture is larger than those that are compared */
async function compare(t: Test, page: Page, name: string, path: string, keptScale: number): Promise<void> {
  const picture = await page.screenshot({ animations: 'disabled' });
  mkdirSync('client/screenshots', { recursive: true });
  writeFileSync(`client/screenshots/${name}.png`, picture);
  const kept = existsSync(path) ? readFileSync(path).toString('base64') : '';
  const given = JSON.stringify([picture.toString('base64'), kept, keptScale]);
  const { small, share } = await page.evaluate<Comparison>(`(${COMPARE})(${given})`);
  if (process.env['UPDATE_PICTURES'] === '1') {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, keptScale === 1 ? Buffer.from(small, 'base64') : picture);
  } else
    t.ok(
      share !== null && share <= TOLERANCE,
      `${name}: ${share === null ? 'another size' : `${(share * 100).toFixed(2)} % of the pixels differ`}`,
    );
}
