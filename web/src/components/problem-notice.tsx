/** An error as a person should see it: the sentence first, then the code and request id that support will ask for. */
import { asProblem } from '../api/problem';
import { Icon } from './icon';

export function ProblemNotice({ problem, onRetry }: { problem: unknown; onRetry?: () => void }) {
  const { sentence, code, requestId, fields } = asProblem(problem);
  return (
    <div className="problem" role="alert">
      <Icon name="warning" />
      <div>
        <p>{sentence}</p>
        {fields.length > 0 && (
          <ul>
            {fields.map(({ field, message }) => (
              <li key={field + message}>
                <b>{field}</b> {message}
              </li>
            ))}
          </ul>
        )}
        <p className="fine">
          <code>{code}</code>
          {requestId !== null && <> · request <code>{requestId}</code></>}
        </p>
      </div>
      {onRetry && (
        <button type="button" className="button quiet" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}
