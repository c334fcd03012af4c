import { html, svg, type TemplateResult } from 'lit';

const HEIGHT = 40;

/** Bars, one a minute. What they show is said by `label` too. */
export function bars(values: readonly number[], label: string): TemplateResult {
  const highest = Math.max(...values, 1);
  const bar = (value: number, i: number) => {
    const height = value === 0 ? 0.75 : Math.max(2, (value / highest) * HEIGHT);
    return svg`<rect x=${i + 0.12} width="0.76" y=${HEIGHT - height} height=${height} class=${value === 0 ? 'none' : 'some'}></rect>`;
  };
  return html`<svg class="bars" viewBox="0 0 ${values.length} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${label}>
    ${values.map(bar)}
  </svg>`;
}
