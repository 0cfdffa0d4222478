/** A time that is typed, or moved by the arrow keys a tenth of a second at a time. What cannot be read is put back. */
import { useEffect, useState } from 'react';
import { parseTimecode } from '../../words';
import { clock } from './cues';

interface Props {
  label: string;
  /** Seconds. */
  value: number;
  onChange(seconds: number): void;
}

export function TimeField({ label, value, onChange }: Props) {
  const [text, setText] = useState(clock(value));
  useEffect(() => setText(clock(value)), [value]);
  const wrong = parseTimecode(text.trim()) === null;

  function settle() {
    const seconds = parseTimecode(text.trim());
    if (seconds === null) setText(clock(value));
    else if (clock(seconds) !== clock(value)) onChange(seconds);
    else setText(clock(value));
  }

  return (
    <input
      className="time-field"
      inputMode="decimal"
      spellCheck={false}
      autoComplete="off"
      aria-label={label}
      aria-invalid={wrong ? true : undefined}
      value={text}
      onChange={(event) => setText(event.target.value)}
      onBlur={settle}
      onKeyDown={(event) => {
        if (event.key === 'Enter') settle();
        const by = event.key === 'ArrowUp' ? 0.1 : event.key === 'ArrowDown' ? -0.1 : 0;
        if (by === 0) return;
        event.preventDefault();
        onChange(Math.max(0, (parseTimecode(text.trim()) ?? value) + by));
      }}
    />
  );
}
