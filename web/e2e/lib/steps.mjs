// Steps of one story: each is a test, and a step after a failed one does not run,
// since it would only wait for what cannot come.
import { mkdirSync } from 'node:fs';
import { test } from 'node:test';

/**
 * @param {() => Record<string, {page: import('playwright-core').Page}>} people
 *   whose pages are photographed into `artifacts/` when a step fails.
 */
export function story(people) {
  let failed = null;
  return (name, run) =>
    test(name, async () => {
      if (failed) throw new Error(`not reached: "${failed}" failed`);
      try {
        await run();
      } catch (error) {
        failed = name;
        await photograph(people(), name);
        throw error;
      }
    });
}

async function photograph(people, name) {
  mkdirSync('artifacts', { recursive: true });
  const slug = name.replace(/[^\p{L}\d]+/gu, '-').slice(0, 60);
  for (const [who, person] of Object.entries(people)) {
    // A page that is gone has nothing to show; the step's own error matters more.
    await person?.page.screenshot({ path: `artifacts/failed-${slug}-${who}.png` }).catch(() => undefined);
    if (person?.errors.length) console.error(`${who}'s console:`, person.errors);
  }
}
