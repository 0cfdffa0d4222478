/** Make an account; the person is signed in afterwards. */
import { useState } from 'react';
import { Link, Navigate, useSearchParams } from 'react-router';
import { register, useSession } from '../api/session';
import { Field } from '../components/field';
import { usePageTitle } from '../components/page-title';
import { ProblemNotice } from '../components/problem-notice';
import { useSubmit } from '../components/submit';
import { ownPath } from './login';

export function RegisterPage() {
  usePageTitle('Make an account');
  const session = useSession();
  const [params] = useSearchParams();
  const [name, setName] = useState('');
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [role, setRole] = useState<'student' | 'instructor'>('student');
  const { submit, busy, problem } = useSubmit(() => register({ name: name.trim(), email: email.trim(), password, role }));
  const next = ownPath(params.get('next'));
  const errorOf = (field: string) => problem?.fields.find((f) => f.field === field)?.message;

  if (session.status === 'in') return <Navigate to={next} replace />;
  return (
    <div className="page narrow">
      <h1>Make an account</h1>
      <form onSubmit={submit} className="form">
        <Field
          label="Name"
          name="name"
          autoComplete="name"
          required
          hint="As it is to stand on your certificates."
          value={name}
          error={errorOf('name')}
          onChange={(e) => setName(e.target.value)}
        />
        <Field
          label="Email"
          type="email"
          name="email"
          autoComplete="username"
          required
          value={email}
          error={errorOf('email')}
          onChange={(e) => setEmail(e.target.value)}
        />
        <Field
          label="Password"
          type="password"
          name="password"
          autoComplete="new-password"
          required
          value={password}
          error={errorOf('password')}
          onChange={(e) => setPassword(e.target.value)}
        />
        <fieldset className="choice">
          <legend>I am here to</legend>
          <label>
            <input type="radio" name="role" checked={role === 'student'} onChange={() => setRole('student')} /> learn
          </label>
          <label>
            <input type="radio" name="role" checked={role === 'instructor'} onChange={() => setRole('instructor')} /> teach
          </label>
        </fieldset>
        {problem && <ProblemNotice problem={problem} />}
        <button className="button primary large" disabled={busy}>
          {busy ? 'Making the account …' : 'Make the account'}
        </button>
      </form>
      <p>
        Have one already? <Link to={`/login?next=${encodeURIComponent(next)}`}>Sign in</Link>
      </p>
    </div>
  );
}
