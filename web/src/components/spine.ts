import type { CSSProperties } from 'react';

/** A hue for a course, the same one every time, so that its books look alike everywhere. */
export function spineOf(courseId: string): CSSProperties {
  // the time part of a UUIDv7 is alike for courses made together; its tail is random
  const tail = parseInt(courseId.replace(/-/g, '').slice(-6), 16);
  const hue = Number.isNaN(tail) ? 160 : tail % 360;
  return { '--spine': `light-dark(oklch(0.55 0.09 ${hue}), oklch(0.72 0.09 ${hue}))` } as CSSProperties;
}
