/** A menu of the player: over the picture, above everything else, also on the full screen; on a phone a sheet from below. */
import { type ReactNode, type RefObject, useEffect, useRef } from 'react';
import { Icon } from '../icon';

interface Props {
  title: string;
  open: boolean;
  onClose(): void;
  /** What it stands in: its lower right corner is the menu's. */
  frame: RefObject<HTMLElement | null>;
  children: ReactNode;
}

export function Menu({ title, open, onClose, frame, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current!;
    if (!open) return element.close();
    const place = () => {
      const { right, bottom, height } = frame.current!.getBoundingClientRect();
      const style: Record<string, number> = { right: innerWidth - right, bottom: innerHeight - bottom, height };
      for (const [name, value] of Object.entries(style)) element.style.setProperty(`--frame-${name}`, `${Math.round(value)}px`);
    };
    place();
    element.showModal();
    window.addEventListener('resize', place);
    return () => window.removeEventListener('resize', place);
  }, [open, frame]);
  return (
    <dialog
      ref={dialog}
      className="player-menu"
      aria-label={title}
      onClose={onClose}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      {open && (
        <div className="player-menu-inside">
          <div className="player-menu-head">
            <h2>{title}</h2>
            <button type="button" className="control" aria-label="Close" onClick={onClose}>
              <Icon name="cross" size={18} />
            </button>
          </div>
          {children}
        </div>
      )}
    </dialog>
  );
}
