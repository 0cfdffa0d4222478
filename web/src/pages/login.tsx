/** Sign in, then go where the person was going. */
import { useState } from 'react';
import { Link, Navigate, useSearchParams } from 'react-router';
import { signIn, useSession } from '../api/session';
import { Field } from '../components/field';
import { usePageTitle } from '../components/page-title';
import { ProblemNotice } from '../components/problem-notice';
import { useSubmit } from '../components/submit';

export function LoginPage() {
  usePageTitle('Sign in');
  const session = useSession();
  const [params] = useSearchParams();
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const { submit, busy, problem } = useSubmit(() => signIn(email.trim(), password));
  const next = ownPath(params.get('next'));

  if (session.status === 'in') return <Navigate to={next} replace />;
  return (
    <div className="page narrow">
      <h1>Sign in</h1>
      <form onSubmit={submit} className="form">
        <Field label="Email" type="email" name="email" autoComplete="username" required value={email} onChange={(e) => setEmail(e.target.value)} />
        <Field
          label="Password"
          type="password"
          name="password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(e) => setPassword(e.target.value)}
        />
        {problem && <ProblemNotice problem={problem} />}
        <button className="button primary large" disabled={busy}>
          {busy ? 'Signing in …' : 'Sign in'}
        </button>
      </form>
      <p>
        New here? <Link to={`/register?next=${encodeURIComponent(next)}`}>Make an account</Link>
      </p>
    </div>
  );
}

/** Only a path of these pages: an address elsewhere would make the form a springboard for phishing. */
export function ownPath(next: string | null): string {
  return next !== null && /^\/(?![/\\])/.test(next) ? next : '/';
}
