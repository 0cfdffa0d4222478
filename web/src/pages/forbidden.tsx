import { Link } from 'react-router';
import { usePageTitle } from '../components/page-title';

/** For a page of another role. */
export function ForbiddenPage() {
  usePageTitle('Not for this account');
  return (
    <div className="page narrow">
      <h1>Not for this account</h1>
      <p className="lead">This page is for instructors and administrators.</p>
      <p className="actions">
        <Link className="button primary" to="/">
          To the first page
        </Link>
      </p>
    </div>
  );
}
