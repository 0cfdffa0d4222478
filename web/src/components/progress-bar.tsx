/** How far something is; without a total it only says that it goes on. */

interface Props {
  /** What is going on, for those who listen. */
  label: string;
  done: number;
  total: number;
  /** Small and without words, beside text that says the same. */
  slim?: boolean;
}

export function ProgressBar({ label, done, total, slim = false }: Props) {
  const part = total > 0 ? Math.min(1, done / total) : null;
  const percent = part === null ? undefined : Math.floor(part * 100);
  return (
    <div
      className={`progress${slim ? ' slim' : ''}${part === null ? ' endless' : ''}`}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
    >
      <span style={{ inlineSize: part === null ? undefined : `${part * 100}%` }} />
    </div>
  );
}
