/** The first page of a visitor who is not signed in. */
import { Link } from 'react-router';
import { usePageTitle } from '../components/page-title';

export function WelcomePage() {
  usePageTitle(null);
  return (
    <div className="page welcome">
      <h1>Ask, and be taken to the very second.</h1>
      <p className="lead">
        Learnhub searches everything your courses say and show. A hit opens the lecture at the sentence, the handout at the page.
      </p>
      <p className="actions">
        <Link className="button primary large" to="/login">
          Sign in
        </Link>
        <Link className="button large" to="/register">
          Make an account
        </Link>
      </p>
      <ul className="welcome-hits" aria-label="For example">
        <li>
          <span className="place">1:13</span>
          <span>
            “… which is why the <mark>water</mark> rises against gravity in a narrow pore”
          </span>
        </li>
        <li>
          <span className="place">page 3</span>
          <span>
            “Table 2: <mark>water</mark> held by sand, loam and clay at field capacity”
          </span>
        </li>
      </ul>
      <p className="fine">
        Someone showed you a certificate? <Link to="/verify">See whether it is real</Link>, no account needed.
      </p>
    </div>
  );
}
