/** Who is signed in, and the way out. */
import { useEffect, useRef, useState } from 'react';
import { Link, useNavigate } from 'react-router';
import { signOut, useSession } from '../api/session';
import type { Account } from '../api/types';

export function AccountMenu() {
  const session = useSession();
  if (session.status === 'starting') return <span className="account-space" />;
  if (session.status === 'out') {
    return (
      <Link className="button" to="/login">
        Sign in
      </Link>
    );
  }
  return <Menu account={session.account} />;
}

const ROLE_WORD = { student: 'Learner', instructor: 'Instructor', admin: 'Administrator' };

function Menu({ account }: { account: Account }) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const navigate = useNavigate();

  useEffect(() => {
    if (!open) return;
    const close = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener('pointerdown', close);
    document.addEventListener('focusin', close);
    return () => {
      document.removeEventListener('pointerdown', close);
      document.removeEventListener('focusin', close);
    };
  }, [open]);

  async function leave() {
    // whatever the server says, this browser forgets
    await signOut().catch(() => undefined);
    navigate('/');
  }

  return (
    <div
      className="account"
      ref={box}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || !open) return;
        setOpen(false);
        button.current?.focus();
      }}
    >
      <button
        ref={button}
        type="button"
        className="account-button"
        aria-expanded={open}
        aria-controls="account-panel"
        aria-label={`${initials(account.name)}, account of ${account.name}`}
        onClick={() => setOpen(!open)}
      >
        {initials(account.name)}
      </button>
      {open && (
        <div className="account-panel" id="account-panel">
          <p className="account-name">{account.name}</p>
          <p className="fine">
            {account.email}
            <br />
            {ROLE_WORD[account.role]}
          </p>
          <button type="button" className="button" onClick={() => void leave()}>
            Sign out
          </button>
        </div>
      )}
    </div>
  );
}

function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const letters = [words[0], words.length > 1 ? words[words.length - 1] : ''].map((w) => Array.from(w ?? '')[0] ?? '');
  return letters.join('').toUpperCase();
}
