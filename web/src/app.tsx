/** Which address shows which page. The heavy pages (player, PDF reader) are loaded when they are first opened. */
import { lazy, type ReactNode, Suspense } from 'react';
import { Navigate, Route, Routes, useLocation } from 'react-router';
import { useSession } from './api/session';
import type { Role } from './api/types';
import { PageBoundary } from './components/page-boundary';
import { Shell } from './components/shell';
import { Loading } from './components/states';
import { CertificatesPage } from './pages/certificates';
import { CoursePage } from './pages/course';
import { ForbiddenPage } from './pages/forbidden';
import { HomePage } from './pages/home';
import { LoginPage } from './pages/login';
import { NotFoundPage } from './pages/not-found';
import { OperatePage } from './pages/operate';
import { RegisterPage } from './pages/register';
import { VerifyPage } from './pages/verify';
import { WelcomePage } from './pages/welcome';

const WatchPage = lazy(() => import('./pages/watch'));
const EditPage = lazy(() => import('./pages/edit'));
const FilePage = lazy(() => import('./pages/file'));
const ReadPage = lazy(() => import('./pages/read'));

export function App() {
  const session = useSession();
  return (
    <Shell>
      <PageBoundary>
        <Suspense fallback={<Loading what="the page" />}>
          <Routes>
            <Route path="/" element={session.status === 'out' ? <WelcomePage /> : <SignedIn page={<HomePage />} />} />
            <Route path="/login" element={<LoginPage />} />
            <Route path="/register" element={<RegisterPage />} />
            <Route path="/courses/:id" element={<SignedIn page={<CoursePage />} />} />
            <Route path="/watch/:id" element={<SignedIn page={<WatchPage />} />} />
            <Route path="/edit/:id" element={<SignedIn page={<EditPage />} />} />
            <Route path="/file/:id" element={<SignedIn page={<FilePage />} />} />
            <Route path="/read/:id" element={<SignedIn page={<ReadPage />} />} />
            <Route path="/certificates" element={<SignedIn page={<CertificatesPage />} />} />
            <Route path="/verify/:id?" element={<VerifyPage />} />
            <Route path="/operate" element={<SignedIn page={<OperatePage />} roles={['instructor', 'admin']} />} />
            <Route path="*" element={<NotFoundPage />} />
          </Routes>
        </Suspense>
      </PageBoundary>
    </Shell>
  );
}

function SignedIn({ page, roles }: { page: ReactNode; roles?: Role[] }) {
  const session = useSession();
  const { pathname, search } = useLocation();
  if (session.status === 'starting') return <Loading what="your session" />;
  if (session.status === 'out') return <Navigate to={`/login?next=${encodeURIComponent(pathname + search)}`} replace />;
  if (roles && !roles.includes(session.account.role)) return <ForbiddenPage />;
  return page;
}
