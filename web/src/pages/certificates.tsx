/** My certificates. */
import { useQuery } from '@tanstack/react-query';
import { Link } from 'react-router';
import { myCertificatesQuery } from '../api/certificates';
import type { Certificate } from '../api/types';
import { Icon } from '../components/icon';
import { usePageTitle } from '../components/page-title';
import { ProblemNotice } from '../components/problem-notice';
import { Empty, Loading } from '../components/states';
import { day } from '../words';

export function CertificatesPage() {
  usePageTitle('My certificates');
  const { data: certificates, error, refetch } = useQuery(myCertificatesQuery);
  return (
    <div className="page">
      <h1>My certificates</h1>
      {error && <ProblemNotice problem={error} onRetry={() => void refetch()} />}
      {!certificates && !error && <Loading what="your certificates" />}
      {certificates?.length === 0 && (
        <Empty title="No certificate yet.">
          <p>Finish every lesson of a course, and its certificate appears here.</p>
          <Link className="button" to="/">
            To my courses
          </Link>
        </Empty>
      )}
      <ul className="certificates">
        {certificates?.map((certificate) => (
          <CertificateCard key={certificate.id} certificate={certificate} />
        ))}
      </ul>
    </div>
  );
}

function CertificateCard({ certificate }: { certificate: Certificate }) {
  return (
    <li className="certificate">
      <Icon name="certificate" size={32} />
      <div className="certificate-main">
        <h2>{certificate.course_title}</h2>
        <p>
          {certificate.learner_name} <span className="fine">· completed on {day(certificate.completed_on)}</span>
        </p>
        <p className="actions">
          {certificate.pdf_url == null ? (
            <span className="fine" role="status">
              The PDF is being made …
            </span>
          ) : (
            <a className="button primary" href={certificate.pdf_url} download={`certificate-${certificate.id}.pdf`}>
              <Icon name="download" /> Download PDF
            </a>
          )}
          <Link className="button" to={`/verify/${certificate.id}`}>
            <Icon name="link" size={16} /> Public page
          </Link>
        </p>
      </div>
    </li>
  );
}
