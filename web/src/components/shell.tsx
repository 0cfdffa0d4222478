/** The frame around every page: skip link, name, navigation, theme, account. */
import { type ReactNode, useEffect, useRef } from 'react';
import { Link, NavLink, useLocation } from 'react-router';
import { useSession } from '../api/session';
import { AccountMenu } from './account-menu';
import { ThemeButton } from './theme-button';

export function Shell({ children }: { children: ReactNode }) {
  const main = useFocusOnNavigation();
  return (
    <>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header className="bar">
        <div className="bar-inner">
          <Link to="/" className="wordmark" aria-label="learnhub, home">
            <span aria-hidden="true" className="wordmark-l" />
            learnhub
          </Link>
          <Navigation />
          <ThemeButton />
          <AccountMenu />
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        {children}
      </main>
    </>
  );
}

function Navigation() {
  const session = useSession();
  if (session.status !== 'in') return <nav className="bar-nav" aria-label="Main" />;
  return (
    <nav className="bar-nav" aria-label="Main">
      <NavLink to="/" end>
        Learn
      </NavLink>
      <NavLink to="/certificates">Certificates</NavLink>
      {session.account.role !== 'student' && <NavLink to="/operate">Operate</NavLink>}
    </nav>
  );
}

/** A new page is read from its top, also by those who listen; the first one is left to the browser. */
function useFocusOnNavigation() {
  const main = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  const shown = useRef(pathname);
  useEffect(() => {
    if (shown.current === pathname) return;
    shown.current = pathname;
    window.scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [pathname]);
  return main;
}
