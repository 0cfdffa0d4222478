/** When it is worth telling the server where somebody is. Pure; told by use-position.ts. */

/** Seconds of film between two reports while it plays. */
const STEP = 10;

/** `told` is what the server knows. A film that rests is reported at once, unless it has hardly moved. */
export function worthTelling(told: number, now: number, resting: boolean): boolean {
  return Math.abs(now - told) >= (resting ? 1 : STEP);
}
