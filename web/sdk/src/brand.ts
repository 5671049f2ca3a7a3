/** Puts the brand's colours over the built-in tokens of `tokens.css`. */
import type { Brand } from './rest-types';

const TOKENS = ['brand', 'brand-strong', 'brand-soft', 'sidebar'];
let sheet: CSSStyleSheet | null = null;

/** Light theme only: the dark one keeps its own lightened brand, whose contrast is known. */
export function applyBrand(brand: Brand): void {
  const rules: string[] = [];
  for (const token of TOKENS) {
    const value = brand.colors[token];
    // Configuration, but still nothing that could leave the declaration.
    if (value && CSS.supports('color', value)) rules.push(`--hc-${token}: ${value};`);
  }
  if (!sheet) {
    // A constructed sheet, because a content security policy may refuse style elements.
    sheet = new CSSStyleSheet();
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  }
  sheet.replaceSync(`:root:not([data-theme='dark']) { ${rules.join(' ')} }`);
}
