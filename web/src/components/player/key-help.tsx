/** The list of keys, and the switch for those whom single keys get in the way of. */
import { useEffect, useRef } from 'react';
import { KEY_HELP } from './keys';

interface Props {
  open: boolean;
  onClose(): void;
  on: boolean;
  setOn(on: boolean): void;
}

export function KeyHelp({ open, onClose, on, setOn }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open) dialog.current!.showModal();
    else dialog.current!.close();
  }, [open]);
  return (
    <dialog ref={dialog} className="dialog" aria-labelledby="keys-title" onClose={onClose} onClick={(e) => e.target === dialog.current && onClose()}>
      <h2 id="keys-title">Keys of the player</h2>
      <dl className="keys">
        {KEY_HELP.map(([keys, what]) => (
          <div key={what}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <label className="check">
        <input type="checkbox" checked={on} onChange={(event) => setOn(event.target.checked)} /> Use these keys
      </label>
      <p className="actions">
        <button type="button" className="button primary" onClick={onClose}>
          Close
        </button>
      </p>
    </dialog>
  );
}
