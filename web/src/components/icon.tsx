/** The pictures on buttons, drawn on a 24 px grid. They are decoration: the button itself carries the name. */

const PATHS = {
  search: 'M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16.2 16.2 21 21',
  video: 'M4 5.5h16v13H4zM10.2 9.2v5.6l4.6-2.8z',
  audio: 'M5 10v4M9 7v10M13 4v16M17 8v8M21 10.5v3',
  document: 'M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6',
  captions: 'M3.5 5.5h17v13h-17zM10 10.5a2 2 0 1 0 0 3M17 10.5a2 2 0 1 0 0 3',
  file: 'M6 3h8l4 4v14H6zM14 3v4h4',
  check: 'M5 12.5 10 17.5 19.5 7',
  cross: 'M6 6 18 18M18 6 6 18',
  warning: 'M12 4 21.5 20h-19zM12 10v5M12 17.4v.2',
  upload: 'M12 16V5M7 9.5 12 4.5l5 5M5 16v3.5h14V16',
  download: 'M12 4v11M7 10.5l5 5 5-5M5 16v3.5h14V16',
  play: 'M8 5.5v13l10.5-6.5z',
  pause: 'M8 5.5v13M16 5.5v13',
  sound: 'M4 10v4h3l5 4V6l-5 4zM15.5 9a4 4 0 0 1 0 6M18 6.5a7.5 7.5 0 0 1 0 11',
  mute: 'M4 10v4h3l5 4V6l-5 4zM16 9.5l5 5M21 9.5l-5 5',
  fullscreen: 'M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5',
  keyboard: 'M3 7h18v10H3zM6.5 10h.1M10 10h.1M13.5 10h.1M17 10h.1M7 13.8h10',
  pip: 'M3.5 5.5h17v13h-17zM12 12h6v4h-6z',
  left: 'M15 5 8 12l7 7',
  right: 'M9 5l7 7-7 7',
  plus: 'M12 5v14M5 12h14',
  minus: 'M5 12h14',
  retry: 'M19 12a7 7 0 1 1-2.2-5.1M19.5 3.5V8H15',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4',
  moon: 'M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z',
  system: 'M3.5 5h17v11h-17zM9 20h6M12 16v4',
  certificate: 'M12 3.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM8.8 13.5 7.5 21l4.5-2.5 4.5 2.5-1.3-7.5',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 4.800v4.400M9 14.800v4.400',
  list: 'M9 6h11M9 12h11M9 18h11M4.500 6h.1M4.500 12h.1M4.500 18h.1',
  pencil: 'M4 20l1-4.500L16.500 4 20 7.500 8.500 19zM14 6.500 17.500 10',
  undo: 'M8 5 4 9l4 4M4 9h10a5.500 5.500 0 0 1 0 11h-4',
  redo: 'M16 5l4 4-4 4M20 9H10a5.500 5.500 0 0 0 0 11h4',
  split: 'M4 6h16M4 18h16M12 9v6M9.500 11.500 12 9l2.500 2.500',
  merge: 'M4 5h16M4 19h16M12 8v8M9.500 13.500 12 16l2.500-2.500',
  trash: 'M5 7h14M10 7V4.500h4V7M7 7l1 12.500h8L17 7M10.500 10.500v6M13.500 10.500v6',
  link: 'M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.300l-1 1M14 10a4 4 0 0 0-5.700 0l-3 3A4 4 0 0 0 11 18.700l1-1',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg className="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
