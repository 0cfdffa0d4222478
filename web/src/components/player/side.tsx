/** Beside the film: what is said, and the chapters. One of them at a time, by tabs where there are both. */
import { type KeyboardEvent, useRef, useState } from 'react';
import type { Chapter } from '../../api/types';
import { ChapterList } from './chapter-list';
import { Transcript } from './transcript';
import type { CaptionFile } from './use-captions';

interface Props {
  files: CaptionFile[];
  chosen: CaptionFile | null;
  onChoose(file: CaptionFile): void;
  chapters: Chapter[];
  /** Seconds. */
  now: number;
  total: number;
  onPick(second: number): void;
}

const TABS = ['transcript', 'chapters'] as const;
type Tab = (typeof TABS)[number];
const WORD: Record<Tab, string> = { transcript: 'Transcript', chapters: 'Chapters' };

export function Side({ files, chosen, onChoose, chapters, now, total, onPick }: Props) {
  const [wanted, setWanted] = useState<Tab>('transcript');
  const tabs = useRef<HTMLDivElement>(null);
  const there = TABS.filter((tab) => (tab === 'transcript' ? chosen !== null : chapters.length > 0));
  const tab = there.includes(wanted) ? wanted : there[0];

  function walk(event: KeyboardEvent) {
    if (event.key !== 'ArrowRight' && event.key !== 'ArrowLeft') return;
    event.preventDefault(); // and with it the player's own arrows
    const next = there[(there.indexOf(tab!) + (event.key === 'ArrowRight' ? 1 : there.length - 1)) % there.length]!;
    setWanted(next);
    tabs.current!.querySelector<HTMLElement>(`#tab-${next}`)?.focus();
  }

  return (
    <div className="side">
      <div className="side-tabs" role="tablist" aria-label="Beside the film" ref={tabs} onKeyDown={walk}>
        {there.map((one) => (
          <button
            key={one}
            type="button"
            role="tab"
            id={`tab-${one}`}
            aria-selected={one === tab}
            aria-controls="side-panel"
            tabIndex={one === tab ? 0 : -1}
            onClick={() => setWanted(one)}
          >
            {WORD[one]}
          </button>
        ))}
      </div>
      <div className="side-panel" id="side-panel" role="tabpanel" aria-labelledby={`tab-${tab}`}>
        {tab === 'transcript' && chosen && <Transcript files={files} chosen={chosen} onChoose={onChoose} now={now} onPick={onPick} />}
        {tab === 'chapters' && <ChapterList chapters={chapters} now={now} total={total} onPick={onPick} />}
      </div>
    </div>
  );
}
