import { Link } from 'react-router';
import { usePageTitle } from '../components/page-title';

/** For addresses that are no page, and for what does not exist or is not the person's to see: the two look alike. */
export function NotFoundPage({ what = 'page' }: { what?: string }) {
  usePageTitle('Not found');
  return (
    <div className="page narrow">
      <h1>Not found</h1>
      <p className="lead">There is no such {what}, or it is not yours to see.</p>
      <p>If it belongs to a course that you have not joined, you may find that course on the first page and enrol.</p>
      <p className="actions">
        <Link className="button primary" to="/">
          To the first page
        </Link>
      </p>
    </div>
  );
}
