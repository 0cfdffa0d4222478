/** One page of a PDF at a time: its picture, its text over it (to select, to hear, to mark), and the way to the others. */
import { useEffect, useRef, useState } from 'react';
import { asProblem, type Problem } from '../../api/problem';
import { Icon } from '../icon';
import { ProblemNotice } from '../problem-notice';
import { Loading } from '../states';
import { belongsToControl } from '../player/keys';
import { markWords, wordPattern } from './found-words';
import { openPdf, type Pdf, TextLayer } from './pdf';

interface Props {
  url: string;
  title: string;
  /** From 1. */
  page: number;
  onPage(page: number): void;
  /** What was searched for, to be marked. */
  query: string;
}

const ZOOMS = [0.5, 0.75, 1, 1.25, 1.5, 2, 3];

export function PdfView({ url, title, page, onPage, query }: Props) {
  const { pdf, problem } = usePdf(url);
  const [zoom, setZoom] = useState(1);
  const pages = pdf?.numPages ?? 0;
  const shown = Math.min(Math.max(1, page), pages || page);
  usePageKeys((step) => {
    const to = shown + step;
    if (to >= 1 && to <= pages) onPage(to);
  });

  if (problem) return <ProblemNotice problem={problem} onRetry={() => window.location.reload()} />;
  if (!pdf) return <Loading what="the document" />;
  return (
    <div className="pdf" role="region" aria-label={title} data-page={shown}>
      <div className="pdf-bar">
        <button type="button" className="button icon-only" aria-label="Previous page" disabled={shown <= 1} onClick={() => onPage(shown - 1)}>
          <Icon name="left" />
        </button>
        <PageField page={shown} pages={pages} onPage={onPage} />
        <button type="button" className="button icon-only" aria-label="Next page" disabled={shown >= pages} onClick={() => onPage(shown + 1)}>
          <Icon name="right" />
        </button>
        <span className="stretch" />
        <button type="button" className="button icon-only" aria-label="Smaller" disabled={zoom <= ZOOMS[0]!} onClick={() => setZoom(ZOOMS.findLast((z) => z < zoom) ?? zoom)}>
          <Icon name="minus" />
        </button>
        <span className="fine number" aria-live="polite">
          {Math.round(zoom * 100)} %
        </span>
        <button type="button" className="button icon-only" aria-label="Larger" disabled={zoom >= ZOOMS.at(-1)!} onClick={() => setZoom(ZOOMS.find((z) => z > zoom) ?? zoom)}>
          <Icon name="plus" />
        </button>
      </div>
      <PageCanvas pdf={pdf} number={shown} zoom={zoom} query={query} />
    </div>
  );
}

function PageField({ page, pages, onPage }: { page: number; pages: number; onPage(page: number): void }) {
  const [text, setText] = useState(String(page));
  useEffect(() => setText(String(page)), [page]);
  return (
    <form
      className="page-field"
      onSubmit={(event) => {
        event.preventDefault();
        const number = Number(text);
        if (Number.isInteger(number) && number >= 1 && number <= pages) onPage(number);
        else setText(String(page));
      }}
    >
      <label>
        <span className="page-word">Page</span> <input inputMode="numeric" aria-label={`Page, 1 to ${pages}`} value={text} onChange={(event) => setText(event.target.value)} />
      </label>
      <span>of {pages}</span>
    </form>
  );
}

function usePdf(url: string): { pdf: Pdf | null; problem: Problem | null } {
  const [pdf, setPdf] = useState<Pdf | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    const task = openPdf(url);
    let here = true;
    task.promise.then(
      (opened) => here && setPdf(opened),
      (error: unknown) => here && setProblem(asProblem(error)),
    );
    return () => {
      here = false;
      setPdf(null);
      setProblem(null);
      void task.destroy();
    };
  }, [url]);
  return { pdf, problem };
}

/** Arrow keys turn the page, unless a control needs them. */
function usePageKeys(turn: (step: 1 | -1) => void) {
  const latest = useRef(turn);
  latest.current = turn;
  useEffect(() => {
    const listener = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || belongsToControl(event.key, event.target as HTMLElement)) return;
      if (event.key === 'ArrowLeft') latest.current(-1);
      if (event.key === 'ArrowRight') latest.current(1);
    };
    document.addEventListener('keydown', listener);
    return () => document.removeEventListener('keydown', listener);
  }, []);
}

function PageCanvas({ pdf, number, zoom, query }: { pdf: Pdf; number: number; zoom: number; query: string }) {
  const frame = useRef<HTMLDivElement>(null);
  const paper = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const [drawn, setDrawn] = useState(0);
  const [problem, setProblem] = useState<Problem | null>(null);

  useEffect(() => {
    if (width === 0) return;
    const stop = new AbortController();
    setProblem(null);
    draw(pdf, number, width * zoom, query, paper.current!, stop.signal).then(
      () => stop.signal.aborted || setDrawn(number),
      (error: unknown) => stop.signal.aborted || setProblem(asProblem(error)),
    );
    return () => stop.abort();
  }, [pdf, number, width, zoom, query]);

  return (
    <div className="pdf-frame" ref={frame} tabIndex={0} aria-label={`Page ${number}`} role="group" data-drawn={drawn === number}>
      {problem && <ProblemNotice problem={problem} />}
      <div className="pdf-paper" ref={paper} />
    </div>
  );
}

function useWidth(ref: React.RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = ref.current!;
    const look = () => setWidth(Math.floor(element.clientWidth - parseFloat(getComputedStyle(element).paddingInline) * 2));
    const observer = new ResizeObserver(look);
    observer.observe(element);
    return () => observer.disconnect();
  }, [ref]);
  return width;
}

/** Browsers give up on larger canvases, phones first. */
const MOST_PIXELS = 16_000_000;

async function draw(pdf: Pdf, number: number, width: number, query: string, paper: HTMLElement, signal: AbortSignal): Promise<void> {
  const page = await pdf.getPage(number);
  if (signal.aborted) return;
  const viewport = page.getViewport({ scale: width / page.getViewport({ scale: 1 }).width });
  const sharpness = Math.min(window.devicePixelRatio, Math.sqrt(MOST_PIXELS / (viewport.width * viewport.height)));
  const canvas = document.createElement('canvas');
  canvas.width = Math.floor(viewport.width * sharpness);
  canvas.height = Math.floor(viewport.height * sharpness);
  canvas.setAttribute('aria-hidden', 'true'); // its words are in the layer over it
  const task = page.render({ canvas, viewport, transform: [sharpness, 0, 0, sharpness, 0, 0] });
  signal.addEventListener('abort', () => task.cancel(), { once: true });
  await task.promise;

  const words = document.createElement('div');
  words.className = 'pdf-text';
  await new TextLayer({ textContentSource: page.streamTextContent(), container: words, viewport }).render();
  if (signal.aborted) return;
  const pattern = wordPattern(query);
  if (pattern) markWords(words, pattern);

  paper.style.width = `${viewport.width}px`;
  paper.style.height = `${viewport.height}px`;
  paper.style.setProperty('--total-scale-factor', String(viewport.scale));
  paper.replaceChildren(canvas, words);
  words.querySelector('mark')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}
