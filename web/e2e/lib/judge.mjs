// What can be checked of any page: no rule of accessibility broken, nothing wider than
// the screen; and a picture of it for who wants to look.
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PICTURES = 'artifacts/pages';

/** Both languages and both themes. */
export const LOOKS = [
  { locale: 'ru-RU', theme: 'light' },
  { locale: 'en-GB', theme: 'dark' },
];

export const suffixOf = (look) => `${look.locale.slice(0, 2)}-${look.theme}`;

/** Photographs the page and returns what is wrong with it, of what can be checked of any page. */
export async function judge({ page }, name) {
  mkdirSync(PICTURES, { recursive: true });
  // Skeletons and transitions have their end states within this.
  await page.waitForLoadState('networkidle');
  await page.waitForTimeout(500);
  await page.screenshot({ path: `${PICTURES}/${name}.png` });
  const overflow = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  const faults = overflow > 0 ? [`${name} is ${overflow} px wider than the screen`] : [];
  // evaluate, not a script tag: the pages' content policy admits no inline script.
  await page.evaluate(AXE);
  const broken = await page.evaluate(async () => {
    const rules = { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] };
    const { violations } = await window.axe.run(document, rules);
    return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).slice(0, 4).join(', ')}`);
  });
  return [...faults, ...broken.map((fault) => `${name}: ${fault}`)];
}

