/** Is a certificate real? Public: by its number (from the QR code), or by the PDF itself. */
import { useMutation, useQuery } from '@tanstack/react-query';
import { type DragEvent, type ReactNode, useRef, useState } from 'react';
import { Link, useParams } from 'react-router';
import { verificationQuery, verifyFile } from '../api/certificates';
import { isProblem } from '../api/problem';
import { Icon } from '../components/icon';
import { usePageTitle } from '../components/page-title';
import { ProblemNotice } from '../components/problem-notice';
import { Loading } from '../components/states';
import { day, fileSize } from '../words';

export function VerifyPage() {
  usePageTitle('Verify a certificate');
  const { id } = useParams();
  return (
    <div className="page narrow">
      <h1>Verify a certificate</h1>
      {id === undefined ? (
        <p className="lead">Give the PDF below, or open the address that is printed on the certificate.</p>
      ) : (
        <ByNumber id={id} />
      )}
      <ByFile />
    </div>
  );
}

function ByNumber({ id }: { id: string }) {
  const { data, error, refetch } = useQuery(verificationQuery(id));
  if (isProblem(error) && (error.status === 404 || error.status === 400)) {
    return (
      <Verdict valid={false} title="There is no such certificate">
        <p>No certificate with the number {id} was ever issued here. Look whether the address is complete.</p>
      </Verdict>
    );
  }
  if (error) return <ProblemNotice problem={error} onRetry={() => void refetch()} />;
  if (!data) return <Loading what="the certificate" />;
  return (
    <Verdict valid={data.valid} title={data.valid ? 'This certificate is valid' : 'This certificate is not valid'}>
      <dl className="facts">
        <dt>Name</dt>
        <dd>{data.learner_name}</dd>
        <dt>Course</dt>
        <dd>{data.course_title}</dd>
        <dt>Instructor</dt>
        <dd>{data.instructor_name}</dd>
        <dt>Completed</dt>
        <dd>{day(data.completed_on)}</dd>
        {data.sha256 && (
          <>
            <dt>SHA-256 of the PDF</dt>
            <dd className="hash">{data.sha256}</dd>
          </>
        )}
      </dl>
    </Verdict>
  );
}

const ALTERED = 'It names a certificate that was issued here, but its bytes are not those that were issued.';
const UNKNOWN = 'No certificate with these bytes was ever issued here.';

/** No certificate is near this size; a larger file is not worth sending. */
const LARGEST_BYTES = 5_000_000;

function ByFile() {
  const input = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const checking = useMutation({
    mutationFn: (file: File) => {
      if (file.size > LARGEST_BYTES) throw new Error(`this file has ${fileSize(file.size)}; a certificate has less than ${fileSize(LARGEST_BYTES)}`);
      return verifyFile(file);
    },
  });
  const take = (files: FileList | null | undefined) => files?.[0] && checking.mutate(files[0]);
  const dropped = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer.files);
  };
  const result = checking.data;
  return (
    <section aria-labelledby="by-file">
      <h2 id="by-file">Have the PDF?</h2>
      <div
        className={`drop${over ? ' over' : ''}`}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={dropped}
      >
        <Icon name="certificate" size={28} />
        <p className="fine">Drop it here. It is compared byte by byte with what was issued, and not kept.</p>
        <button type="button" className="button" disabled={checking.isPending} onClick={() => input.current!.click()}>
          Choose the PDF
        </button>
        <input
          ref={input}
          type="file"
          accept="application/pdf,.pdf"
          hidden
          aria-label="Certificate PDF"
          onChange={(event) => {
            take(event.target.files);
            event.target.value = '';
          }}
        />
      </div>
      {checking.isPending && <Loading what="the result" />}
      {checking.error && <ProblemNotice problem={checking.error} />}
      {result?.valid && (
        <Verdict valid title="This PDF is genuine and unchanged">
          {result.certificate_id && <Link to={`/verify/${result.certificate_id}`}>See what it certifies</Link>}
        </Verdict>
      )}
      {result && !result.valid && (
        <Verdict valid={false} title={result.reason === 'altered' ? 'This PDF was changed' : 'This PDF is not one of ours'}>
          <p>{result.reason === 'altered' ? ALTERED : UNKNOWN}</p>
        </Verdict>
      )}
    </section>
  );
}

function Verdict({ valid, title, children }: { valid: boolean; title: string; children?: ReactNode }) {
  return (
    <div className={`verdict ${valid ? 'valid' : 'invalid'}`} role="status">
      <p className="verdict-title">
        <Icon name={valid ? 'check' : 'cross'} size={26} /> {title}
      </p>
      {children}
    </div>
  );
}
