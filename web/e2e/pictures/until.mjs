/** Waits until something on the server holds. */
export async function until(what, holds) {
  for (const started = Date.now(); !(await holds()); await new Promise((wake) => setTimeout(wake, 200))) {
    if (Date.now() - started > 60_000) throw new Error(`it never came about that ${what}`);
  }
}
